#include "fs/mount.h"

#include <fcntl.h>
#include <poll.h>
#include <spdlog/spdlog.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <vector>

#include "engine/base/errno_status.h"
#include "engine/base/status.h"
#include "fs/mount_table.h"
#include "fs/protocol.h"
#include "fs/mount_settings.h"

namespace baton::fs {
namespace {

constexpr char kSource[] = "baton";
constexpr char kType[] = "fuse.baton";

absl::StatusOr<std::string> ResolvedPath(const std::string& path) {
  char* resolved = ::realpath(path.c_str(), nullptr);
  if (resolved == nullptr && errno == ENOENT) {
    return Error(absl::StatusCode::kNotFound,
                 "mount point {} does not exist: make an empty directory there", path);
  }
  if (resolved == nullptr) return ErrnoStatus(errno, "find mount point", path);
  std::string result = resolved;
  std::free(resolved);
  return result;
}

// Only a mount whose last descriptor is closed answers so. (One whose controller is being
// restarted makes this call wait until it serves again; a signal ends the wait.) Not stat(): what
// that says may be remembered from when the mount was alive.
bool IsDead(const std::string& path) {
  struct statfs unused = {};
  return ::statfs(path.c_str(), &unused) != 0 && errno == ENOTCONN;
}

absl::Status RefuseMounted(const MountedAt& mount) {
  if (mount.type == kType) {
    return Error(absl::StatusCode::kFailedPrecondition,
                 "{} is the mount of a running controller: stop that one or choose another "
                 "mount point",
                 mount.path);
  }
  return Error(absl::StatusCode::kFailedPrecondition,
               "a file system of type {} is mounted at {}: choose another mount point", mount.type,
               mount.path);
}

// Leaves nothing mounted at `path`, or says why not.
absl::Status RemoveDeadMounts(const std::string& path) {
  while (true) {
    BATON_ASSIGN_OR_RETURN(const std::vector<MountedAt> mounts, MountsAt(path));
    if (mounts.empty()) return absl::OkStatus();
    const MountedAt& top = mounts.back();
    if (top.type != kType || !IsDead(path)) return RefuseMounted(top);
    spdlog::warn("{}: removing the dead mount of an earlier controller", path);
    if (::umount2(path.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) != 0) {
      return ErrnoStatus(errno, "unmount", path);
    }
  }
}

absl::Status CheckEmptyDirectory(const std::string& path) {
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  if (error) return ErrnoStatus(error.value(), "look at mount point", path);
  if (!std::filesystem::is_directory(status)) {
    return Error(absl::StatusCode::kFailedPrecondition, "mount point {} is not a directory", path);
  }
  const bool empty = std::filesystem::is_empty(path, error);
  if (error) return ErrnoStatus(error.value(), "read mount point", path);
  if (!empty) {
    return Error(absl::StatusCode::kFailedPrecondition,
                 "mount point {} is not empty: choose an empty directory", path);
  }
  return absl::OkStatus();
}

// With MNT_FORCE the kernel ends the connection before it looks whether files are open.
int FlagsOf(Unmount how) {
  switch (how) {
    case Unmount::kClean:
      return 0;
    case Unmount::kLazy:
      return MNT_DETACH;
    case Unmount::kForced:
      return MNT_FORCE | MNT_DETACH;
  }
  return 0;
}

absl::Status MountAt(const std::string& path, bool allow_other, int fd) {
  const std::string data = fmt::format(
      "fd={},rootmode={:o},user_id={},group_id={},default_permissions,max_read={}{}", fd, S_IFDIR,
      ::getuid(), ::getgid(), limits::kMaxRequestBytes, allow_other ? ",allow_other" : "");
  if (::mount(kSource, path.c_str(), kType, MS_NOSUID | MS_NODEV, data.c_str()) == 0) {
    return absl::OkStatus();
  }
  if (errno == EPERM) {
    return Error(absl::StatusCode::kPermissionDenied,
                 "may not mount at {}: run the controller as root", path);
  }
  return ErrnoStatus(errno, "mount at", path);
}

// mount(2) has queued it before it returned, so that this does not wait.
absl::StatusOr<std::string> ReadInitRequest(int fd) {
  std::string buffer(kWriteHeaderBytes + limits::kMaxRequestBytes, '\0');
  const ssize_t length = ::read(fd, buffer.data(), buffer.size());
  if (length < 0) return ErrnoStatus(errno, "read the first request of", kFuseDevice);
  const auto* header = reinterpret_cast<const fuse_in_header*>(buffer.data());
  if (static_cast<size_t>(length) < sizeof(fuse_in_header) || header->opcode != FUSE_INIT) {
    return Error(absl::StatusCode::kInternal, "the first request of {} is not FUSE_INIT",
                 kFuseDevice);
  }
  buffer.resize(static_cast<size_t>(length));
  return buffer;
}

// What the kernel calls the file system that was just mounted at `path`.
absl::StatusOr<std::string> DeviceAt(const std::string& path) {
  BATON_ASSIGN_OR_RETURN(const std::vector<MountedAt> mounts, MountsAt(path));
  if (mounts.empty() || mounts.back().type != kType) {
    return Error(absl::StatusCode::kAborted, "{} was unmounted at once by someone else", path);
  }
  return mounts.back().device;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Mount>> Mount::Make(const MountOptions& options) {
  BATON_ASSIGN_OR_RETURN(std::string path, ResolvedPath(options.path));
  BATON_RETURN_IF_ERROR(RemoveDeadMounts(path));
  BATON_RETURN_IF_ERROR(CheckEmptyDirectory(path));
  UniqueFd fd(::open(kFuseDevice, O_RDWR | O_CLOEXEC));
  if (!fd.valid()) return ErrnoStatus(errno, "open", kFuseDevice);
  BATON_RETURN_IF_ERROR(MountAt(path, options.allow_other, fd.get()));
  absl::StatusOr<std::string> device = DeviceAt(path);
  if (!device.ok()) return device.status();
  absl::StatusOr<std::string> init = ReadInitRequest(fd.get());
  if (!init.ok()) {
    ::umount2(path.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW);
    return init.status();
  }
  return std::unique_ptr<Mount>(new Mount(std::move(path), *std::move(device), std::move(fd),
                                          *std::move(init), AtEnd::kUnmount));
}

std::unique_ptr<Mount> Mount::Adopt(std::string path, std::string device, UniqueFd fd,
                                    std::string init_request, AtEnd at_end) {
  return std::unique_ptr<Mount>(new Mount(std::move(path), std::move(device), std::move(fd),
                                          std::move(init_request), at_end));
}

Mount::Mount(std::string path, std::string device, UniqueFd fd, std::string init_request,
             AtEnd at_end)
    : path_(std::move(path)),
      device_(std::move(device)),
      fd_(std::move(fd)),
      init_request_(std::move(init_request)),
      at_end_(at_end) {}

Mount::~Mount() {
  if (at_end_ == AtEnd::kLeave) return;
  const absl::Status status = TakeDown(Unmount::kLazy);
  if (!status.ok()) spdlog::error("{}", Message(status));
}

// While it lives, no other mount has its device number.
bool Mount::Connected() const {
  pollfd poll = {.fd = fd_.get(), .events = 0, .revents = 0};
  return ::poll(&poll, 1, 0) >= 0 && !(poll.revents & POLLERR);
}

absl::Status Mount::TakeDown(Unmount how) {
  if (!Connected()) return absl::OkStatus();
  BATON_ASSIGN_OR_RETURN(const std::vector<MountedAt> mounts, MountsAt(path_));
  if (mounts.empty() || mounts.back().device != device_) return absl::OkStatus();
  if (::umount2(path_.c_str(), FlagsOf(how) | UMOUNT_NOFOLLOW) == 0) return absl::OkStatus();
  if (errno == EBUSY) {
    return Error(absl::StatusCode::kFailedPrecondition,
                 "{} is in use: close its files (fuser -vm {} lists who has them open)", path_,
                 path_);
  }
  return ErrnoStatus(errno, "unmount", path_);
}

}  // namespace baton::fs
