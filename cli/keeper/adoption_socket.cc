#include "cli/keeper/adoption_socket.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>

#include "engine/base/errno_status.h"
#include "engine/base/status.h"

namespace baton::keeper {
namespace {

constexpr mode_t kDoorMode = 0600;

std::string DoorPath(const std::string& control_path) { return control_path + ".keeper"; }

absl::StatusOr<sockaddr_un> DoorAddress(const std::string& path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) {
    return Error(absl::StatusCode::kInvalidArgument, "socket path \"{}\" is too long", path);
  }
  path.copy(address.sun_path, path.size());
  return address;
}

absl::StatusOr<UniqueFd> DoorSocket(const std::string& path) {
  UniqueFd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  if (!socket.valid()) return ErrnoStatus(errno, "make socket", path);
  return socket;
}

// Whoever is on the other side must be of our user.
absl::StatusOr<AdoptionSocket::Connection> CheckPeer(UniqueFd socket, const std::string& path) {
  ucred peer = {};
  socklen_t length = sizeof(peer);
  if (::getsockopt(socket.get(), SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0) {
    return ErrnoStatus(errno, "ask who is at", path);
  }
  if (peer.uid != ::geteuid()) {
    return Error(absl::StatusCode::kPermissionDenied, "process {} at {} is another user's",
                 peer.pid, path);
  }
  return AdoptionSocket::Connection{.socket = std::move(socket), .pid = peer.pid};
}

}  // namespace

absl::StatusOr<std::unique_ptr<AdoptionSocket>> AdoptionSocket::Open(
    const std::string& control_path) {
  const std::string path = DoorPath(control_path);
  BATON_ASSIGN_OR_RETURN(const sockaddr_un address, DoorAddress(path));
  BATON_ASSIGN_OR_RETURN(UniqueFd socket, DoorSocket(path));
  ::unlink(path.c_str());
  if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    return ErrnoStatus(errno, "bind", path);
  }
  std::unique_ptr<AdoptionSocket> adoption(new AdoptionSocket(path, std::move(socket)));
  if (::chmod(path.c_str(), kDoorMode) != 0) return ErrnoStatus(errno, "set the mode of", path);
  if (::listen(adoption->fd(), 1) != 0) return ErrnoStatus(errno, "listen on", path);
  return adoption;
}

AdoptionSocket::~AdoptionSocket() { ::unlink(path_.c_str()); }

absl::StatusOr<AdoptionSocket::Connection> AdoptionSocket::Accept() const {
  UniqueFd socket(::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC));
  if (!socket.valid()) return ErrnoStatus(errno, "accept at", path_);
  return CheckPeer(std::move(socket), path_);
}

absl::StatusOr<AdoptionSocket::Connection> AdoptionSocket::Connect(
    const std::string& control_path) {
  const std::string path = DoorPath(control_path);
  BATON_ASSIGN_OR_RETURN(const sockaddr_un address, DoorAddress(path));
  BATON_ASSIGN_OR_RETURN(UniqueFd socket, DoorSocket(path));
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    if (errno != ENOENT && errno != ECONNREFUSED) return ErrnoStatus(errno, "connect to", path);
    return Error(absl::StatusCode::kNotFound, "no controller waits at {}", path);
  }
  return CheckPeer(std::move(socket), path);
}

}  // namespace baton::keeper
