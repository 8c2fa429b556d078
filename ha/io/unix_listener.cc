#include "ha/io/unix_listener.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>

#include "engine/base/errno_status.h"
#include "engine/base/status.h"

namespace baton::ha {
namespace {

constexpr int kBacklog = 128;
constexpr uid_t kSameOwner = static_cast<uid_t>(-1);

absl::StatusOr<sockaddr_un> AddressOf(const std::string& path) {
  sockaddr_un address{};
  if (path.empty() || path.size() >= sizeof(address.sun_path)) {
    return Error(absl::StatusCode::kInvalidArgument,
                 "socket path \"{}\" has {} characters; 1 to {} are possible", path, path.size(),
                 sizeof(address.sun_path) - 1);
  }
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, path.size());
  return address;
}

absl::StatusOr<UniqueFd> OpenSocket(const std::string& path) {
  UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket.valid()) return ErrnoStatus(errno, "make socket", path);
  return socket;
}

absl::StatusOr<UniqueFd> TakeLock(const std::string& path) {
  const std::string name = path + ".lock";
  UniqueFd lock(::open(name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!lock.valid()) return ErrnoStatus(errno, "create", name);
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) == 0) return lock;
  if (errno != EWOULDBLOCK) return ErrnoStatus(errno, "lock", name);
  return Error(absl::StatusCode::kFailedPrecondition,
               "another process serves {}; stop it or choose another socket", path);
}

// With the lock held: whatever is at `path` is foreign or left by a process that died.
absl::Status RemoveStale(const std::string& path) {
  const absl::Status probe = ProbeUnixSocket(path);
  if (probe.ok()) {
    return Error(absl::StatusCode::kFailedPrecondition,
                 "another process listens on {}; stop it or choose another socket", path);
  }
  if (absl::IsNotFound(probe)) return absl::OkStatus();
  if (!absl::IsUnavailable(probe)) return probe;
  if (::unlink(path.c_str()) != 0) return ErrnoStatus(errno, "replace", path);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<UnixListener>> UnixListener::Bind(const std::string& path,
                                                                 mode_t mode,
                                                                 std::optional<gid_t> group) {
  BATON_ASSIGN_OR_RETURN(const sockaddr_un address, AddressOf(path));
  BATON_ASSIGN_OR_RETURN(UniqueFd lock, TakeLock(path));
  BATON_RETURN_IF_ERROR(RemoveStale(path));
  BATON_ASSIGN_OR_RETURN(UniqueFd socket, OpenSocket(path));
  if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    return ErrnoStatus(errno, "bind", path);
  }
  // From here on the destructor removes the file.
  std::unique_ptr<UnixListener> listener(
      new UnixListener(path, std::move(lock), std::move(socket), AtEnd::kRemove));
  // Nobody can connect before listen(), so group and mode are in force for every connection.
  if (group && ::lchown(path.c_str(), kSameOwner, *group) != 0) {
    return ErrnoStatus(errno, "set the group of", path);
  }
  if (::chmod(path.c_str(), mode) != 0) return ErrnoStatus(errno, "set the mode of", path);
  if (::listen(listener->fd(), kBacklog) != 0) return ErrnoStatus(errno, "listen on", path);
  return listener;
}

std::unique_ptr<UnixListener> UnixListener::Adopt(std::string path, UniqueFd lock, UniqueFd socket,
                                                  AtEnd at_end) {
  return std::unique_ptr<UnixListener>(
      new UnixListener(std::move(path), std::move(lock), std::move(socket), at_end));
}

UnixListener::~UnixListener() {
  if (at_end_ == AtEnd::kRemove) ::unlink(path_.c_str());
}

absl::Status ProbeUnixSocket(const std::string& path) {
  BATON_ASSIGN_OR_RETURN(const sockaddr_un address, AddressOf(path));
  struct stat status;
  if (::stat(path.c_str(), &status) != 0) return ErrnoStatus(errno, "reach", path);
  if (!S_ISSOCK(status.st_mode)) {
    return Error(absl::StatusCode::kFailedPrecondition, "{} is not a socket", path);
  }
  BATON_ASSIGN_OR_RETURN(const UniqueFd socket, OpenSocket(path));
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0) {
    return absl::OkStatus();
  }
  // EAGAIN: the queue of connections is full, so there is a listener, busy or stopped.
  if (errno == EAGAIN) return absl::OkStatus();
  if (errno == ECONNREFUSED) {
    return Error(absl::StatusCode::kUnavailable, "nobody listens on {}", path);
  }
  return ErrnoStatus(errno, "connect to", path);
}

}  // namespace baton::ha
