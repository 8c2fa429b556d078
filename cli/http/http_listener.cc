#include "cli/http/http_listener.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "cli/http/http_settings.h"
#include "engine/base/errno_status.h"
#include "engine/base/status.h"

namespace baton::http {
namespace {

struct SocketAddress {
  sockaddr_storage storage = {};
  socklen_t length = 0;
  int family() const { return storage.ss_family; }
};

SocketAddress SocketAddressOf(const ha::PeerAddress& address) {
  SocketAddress result;
  sockaddr_in narrow = {};
  if (::inet_pton(AF_INET, address.host.c_str(), &narrow.sin_addr) == 1) {
    narrow.sin_family = AF_INET;
    narrow.sin_port = htons(address.port);
    std::memcpy(&result.storage, &narrow, sizeof(narrow));
    result.length = sizeof(narrow);
    return result;
  }
  sockaddr_in6 wide = {};
  const std::string host = address.host.substr(1, address.host.size() - 2);
  ::inet_pton(AF_INET6, host.c_str(), &wide.sin6_addr);
  wide.sin6_family = AF_INET6;
  wide.sin6_port = htons(address.port);
  std::memcpy(&result.storage, &wide, sizeof(wide));
  result.length = sizeof(wide);
  return result;
}

absl::Status Refused(const ha::PeerAddress& address) {
  if (errno != EADDRINUSE) return ErrnoStatus(errno, "listen on", Name(address));
  return Error(absl::StatusCode::kFailedPrecondition,
               "another process listens on {}; stop it or choose another port", Name(address));
}

}  // namespace

absl::StatusOr<UniqueFd> ListenAt(const ha::PeerAddress& address) {
  const SocketAddress where = SocketAddressOf(address);
  UniqueFd socket(::socket(where.family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket.valid()) return ErrnoStatus(errno, "make a socket for", Name(address));
  const int on = 1;
  // What is left of connections of the process before is not in the way.
  ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  // "[::]" is not 0.0.0.0, too: both may be somebody's.
  if (where.family() == AF_INET6) {
    ::setsockopt(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
  }
  if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&where.storage), where.length) != 0 ||
      ::listen(socket.get(), kBacklog) != 0) {
    return Refused(address);
  }
  return socket;
}

std::string Name(const ha::PeerAddress& address) {
  return fmt::format("{}:{}", address.host, address.port);
}

}  // namespace baton::http
