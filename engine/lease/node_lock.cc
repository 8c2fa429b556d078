#include "engine/lease/node_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "engine/base/errno_status.h"
#include "engine/base/names.h"
#include "engine/base/status.h"

namespace baton {
namespace {

constexpr size_t kMaxPidBytes = 20;

std::string ReadPid(int file) {
  std::array<char, kMaxPidBytes> text;
  const ssize_t length = ::pread(file, text.data(), text.size(), 0);
  return length <= 0 ? "unknown" : std::string(text.data(), static_cast<size_t>(length));
}

absl::Status WritePid(int file, const std::string& path) {
  const std::string pid = std::to_string(::getpid());
  if (::ftruncate(file, 0) == 0 &&
      ::pwrite(file, pid.data(), pid.size(), 0) == static_cast<ssize_t>(pid.size())) {
    return absl::OkStatus();
  }
  return ErrnoStatus(errno, "write", path);
}

}  // namespace

// Empties it: a process id that is not running any more tells nobody anything.
NodeLock::~NodeLock() {
  if (file_.valid() && ::ftruncate(file_.get(), 0) != 0) return;
}

absl::Status NodeLock::Probe() const {
  const std::string pid = std::to_string(::getpid());
  const bool written =
      ::pwrite(file_.get(), pid.data(), pid.size(), 0) == static_cast<ssize_t>(pid.size());
  if (written && ::fdatasync(file_.get()) == 0) return absl::OkStatus();
  return ErrnoStatus(errno, "write", "the node's lock");
}

absl::StatusOr<NodeLock> NodeLock::Take(const std::string& pool_directory,
                                        const std::string& node) {
  BATON_RETURN_IF_ERROR(CheckName(node));
  const std::string path = fmt::format("{}/lease/{}.lock", pool_directory, node);
  UniqueFd file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!file.valid()) return ErrnoStatus(errno, "open", path);
  if (::flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return ErrnoStatus(errno, "lock", path);
    return Error(absl::StatusCode::kFailedPrecondition,
                 "pool {} is in use by process {} of this node ({})", pool_directory,
                 ReadPid(file.get()), node);
  }
  BATON_RETURN_IF_ERROR(WritePid(file.get(), path));
  return NodeLock(std::move(file));
}

}  // namespace baton
