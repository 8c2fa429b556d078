#include "ha/io/tcp_socket.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <system_error>

#include "engine/base/errno_status.h"
#include "engine/base/status.h"
#include "ha/io/peer_settings.h"
#include "ha/io/socket_address.h"

namespace baton::ha {
namespace {

template <typename Value>
void SetTcpOption(int fd, int level, int option, Value value) {
  ::setsockopt(fd, level, option, &value, sizeof(value));
}

// A peer that is gone without a word ends the connection.
void PrepareTcp(int fd) {
  SetTcpOption(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  SetTcpOption(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  const auto probe_seconds = static_cast<int>(absl::ToInt64Seconds(kStreamProbe));
  SetTcpOption(fd, IPPROTO_TCP, TCP_KEEPIDLE, probe_seconds);
  SetTcpOption(fd, IPPROTO_TCP, TCP_KEEPINTVL, probe_seconds);
  SetTcpOption(fd, IPPROTO_TCP, TCP_USER_TIMEOUT,
               static_cast<unsigned>(absl::ToInt64Milliseconds(kSilenceTimeout)));
}

int ErrorOfTcp(int fd) {
  int error = 0;
  socklen_t size = sizeof(error);
  return ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 ? error : errno;
}

absl::Status CannotListen(const PeerAddress& address) {
  return Error(absl::StatusCode::kFailedPrecondition, "cannot listen at {}: {}", address.Endpoint(),
               std::generic_category().message(errno));
}

absl::StatusOr<UniqueFd> BindTcp(const PeerAddress& address) {
  BATON_ASSIGN_OR_RETURN(const SocketAddress at, SocketAddressOf(address));
  UniqueFd fd(::socket(at.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) return ErrnoStatus(errno, "make", "a socket");
  SetTcpOption(fd.get(), SOL_SOCKET, SO_REUSEADDR, 1);
  if (::bind(fd.get(), at.get(), at.size) != 0) return CannotListen(address);
  return fd;
}

}  // namespace

absl::StatusOr<UniqueFd> ListenTcp(const PeerAddress& address) {
  BATON_ASSIGN_OR_RETURN(UniqueFd fd, BindTcp(address));
  if (::listen(fd.get(), kMaxStrangers) != 0) return CannotListen(address);
  return fd;
}

absl::Status TryTcp(const PeerAddress& address) { return BindTcp(address).status(); }

uint16_t PortOfTcp(int fd) {
  sockaddr_storage address = {};
  socklen_t size = sizeof(address);
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) return 0;
  return ntohs(address.ss_family == AF_INET6 ? reinterpret_cast<sockaddr_in6&>(address).sin6_port
                                             : reinterpret_cast<sockaddr_in&>(address).sin_port);
}

UniqueFd AcceptTcp(int listener) {
  UniqueFd fd(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (fd.valid()) PrepareTcp(fd.get());
  return fd;
}

absl::StatusOr<UniqueFd> OpenTcp(const PeerAddress& address) {
  BATON_ASSIGN_OR_RETURN(const SocketAddress to, SocketAddressOf(address));
  UniqueFd fd(::socket(to.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) return ErrnoStatus(errno, "make", "a socket");
  PrepareTcp(fd.get());
  SetTcpOption(fd.get(), SOL_SOCKET, SO_LINGER, linger{.l_onoff = 1, .l_linger = 0});
  return fd;
}

absl::Status ConnectTcpTo(int fd, const PeerAddress& address, absl::Duration timeout) {
  BATON_ASSIGN_OR_RETURN(const SocketAddress to, SocketAddressOf(address));
  int error = ::connect(fd, to.get(), to.size) == 0 ? 0 : errno;
  if (error == EINPROGRESS) error = AwaitTcp(fd, POLLOUT, timeout) ? ErrorOfTcp(fd) : ETIMEDOUT;
  if (error == 0) return absl::OkStatus();
  return Error(absl::StatusCode::kUnavailable, "{}: {}", address.Endpoint(),
               std::generic_category().message(error));
}

bool AwaitTcp(int fd, short events, absl::Duration timeout) {
  if (timeout <= absl::ZeroDuration()) return false;
  pollfd polled{fd, events, 0};
  timespec limit = absl::ToTimespec(timeout);
  return ::ppoll(&polled, 1, &limit, nullptr) > 0;
}

void LetTcpBlock(int fd) { ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) & ~O_NONBLOCK); }

}  // namespace baton::ha
