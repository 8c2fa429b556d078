#include "cli/http/http_listener.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>

#include "cli/http/http_settings.h"
#include "engine/base/errno_status.h"
#include "engine/base/status.h"
#include "ha/io/socket_address.h"

namespace baton::http {
namespace {

absl::Status Refused(const ha::PeerAddress& address) {
  if (errno != EADDRINUSE) return ErrnoStatus(errno, "listen on", Name(address));
  return Error(absl::StatusCode::kFailedPrecondition,
               "another process listens on {}; stop it or choose another port", Name(address));
}

}  // namespace

absl::StatusOr<UniqueFd> ListenAt(const ha::PeerAddress& address) {
  BATON_ASSIGN_OR_RETURN(const ha::SocketAddress where, ha::SocketAddressOf(address));
  const int family = where.storage.ss_family;
  UniqueFd socket(::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket.valid()) return ErrnoStatus(errno, "make a socket for", Name(address));
  const int on = 1;
  // What is left of connections of the process before is not in the way.
  ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  // "[::]" is not 0.0.0.0, too: both may be somebody's.
  if (family == AF_INET6) {
    ::setsockopt(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
  }
  if (::bind(socket.get(), where.get(), where.size) != 0 || ::listen(socket.get(), kBacklog) != 0) {
    return Refused(address);
  }
  return socket;
}

std::string Name(const ha::PeerAddress& address) {
  return fmt::format("{}:{}", address.host, address.port);
}

}  // namespace baton::http
