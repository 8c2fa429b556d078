#include "engine/base/posix_storage.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdlib>

#include "engine/base/errno_status.h"
#include "engine/base/limits.h"
#include "engine/base/posix_file.h"
#include "engine/base/status.h"
#include "engine/base/storage_path.h"

namespace baton {
namespace {

constexpr int kDirectoryFlags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;

// openat2 without its missing wrapper; a descriptor, or -1 and errno.
int OpenAt2(int root, const std::string& path, int flags) {
  open_how how = {};
  how.flags = static_cast<uint64_t>(flags);
  how.mode = (flags & O_CREAT) != 0 ? 0600 : 0;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS;
  const char* name = path.empty() ? "." : path.c_str();
  long fd = -1;
  do {
    fd = ::syscall(SYS_openat2, root, name, &how, sizeof(how));
  } while (fd < 0 && errno == EINTR);
  return static_cast<int>(fd);
}

int OpenFlags(const OpenOptions& options) {
  int flags = O_CLOEXEC | O_NOCTTY | (options.read_only ? O_RDONLY : O_RDWR);
  if (options.create) flags |= O_CREAT;
  if (options.create && options.exclusive) flags |= O_EXCL;
  if (options.direct) flags |= O_DIRECT;
  return flags;
}

// The lowest number that is free is that of the next descriptor.
absl::Status CheckReserve(int any, const std::string& path) {
  const UniqueFd next(::fcntl(any, F_DUPFD_CLOEXEC, 0));
  rlimit limit = {};
  if (!next.valid() || ::getrlimit(RLIMIT_NOFILE, &limit) != 0) {
    return ErrnoStatus(errno, "open", path);
  }
  const rlim_t reserve = std::min<rlim_t>(limits::kDescriptorReserve, limit.rlim_cur / 2);
  if (static_cast<rlim_t>(next.get()) < limit.rlim_cur - reserve) return absl::OkStatus();
  return Annotate(ErrnoStatus(EMFILE, "open", path),
                  fmt::format("this process may have {} files open, and the last {} are for "
                              "metadata and connections (raise LimitNOFILE, or ulimit -n, to {})",
                              limit.rlim_cur, reserve, limits::kDescriptors));
}

// Not in <linux/magic.h>.
constexpr uint64_t kZfsMagic = 0x2fc12fc1;
constexpr uint64_t kGfs2Magic = 0x01161970;

// On these a thread that writes is waited for, however its process ends. On a network file system
// it is not, and an overlay or a FUSE daemon may stand in front of one.
constexpr std::array<uint64_t, 9> kWritesEndWithProcess = {
    EXT4_SUPER_MAGIC,  XFS_SUPER_MAGIC, BTRFS_SUPER_MAGIC, F2FS_SUPER_MAGIC, TMPFS_MAGIC,
    OCFS2_SUPER_MAGIC, RAMFS_MAGIC,     kZfsMagic,         kGfs2Magic};

struct CloseDirectory {
  void operator()(DIR* directory) const { ::closedir(directory); }
};

absl::StatusOr<std::vector<std::string>> ReadNames(DIR* directory, const std::string& path) {
  std::vector<std::string> names;
  errno = 0;
  while (const dirent* entry = ::readdir(directory)) {
    const std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back(name);
    errno = 0;
  }
  if (errno != 0) return ErrnoStatus(errno, "list", path);
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace

PosixStorage::PosixStorage(UniqueFd root, std::string directory)
    : root_(std::move(root)), directory_(std::move(directory)) {}

absl::StatusOr<std::unique_ptr<PosixStorage>> PosixStorage::Open(const std::string& directory) {
  char resolved[PATH_MAX];
  if (::realpath(directory.c_str(), resolved) == nullptr) {
    return ErrnoStatus(errno, "open", directory);
  }
  UniqueFd root(::open(resolved, kDirectoryFlags));
  if (!root.valid()) return ErrnoStatus(errno, "open", directory);
  return std::unique_ptr<PosixStorage>(new PosixStorage(std::move(root), resolved));
}

std::string PosixStorage::FullName(const std::string& path) const {
  return path.empty() ? directory_ : directory_ + "/" + path;
}

absl::StatusOr<UniqueFd> PosixStorage::OpenBeneath(const std::string& path, int flags,
                                                   const char* operation) const {
  BATON_RETURN_IF_ERROR(CheckStoragePath(path));
  UniqueFd fd(OpenAt2(root_.get(), path, flags));
  // A file system without O_DIRECT says EINVAL.
  if (!fd.valid() && errno == EINVAL && (flags & O_DIRECT) != 0) {
    fd = UniqueFd(OpenAt2(root_.get(), path, flags & ~O_DIRECT));
  }
  if (!fd.valid()) return ErrnoStatus(errno, operation, FullName(path));
  return fd;
}

absl::StatusOr<PosixStorage::Place> PosixStorage::Locate(const std::string& path,
                                                         const char* operation) const {
  BATON_RETURN_IF_ERROR(CheckStoragePath(path));
  if (path.empty()) {
    return Error(absl::StatusCode::kInvalidArgument, "{} {}: the directory itself", operation,
                 directory_);
  }
  SplitPath split = SplitStoragePath(path);
  BATON_ASSIGN_OR_RETURN(UniqueFd parent,
                         OpenBeneath(split.parent, O_PATH | O_DIRECTORY | O_CLOEXEC, operation));
  return Place{std::move(parent), std::move(split.name)};
}

absl::StatusOr<std::unique_ptr<File>> PosixStorage::Open(const std::string& path,
                                                         OpenOptions options) {
  if (options.leave_reserve) BATON_RETURN_IF_ERROR(CheckReserve(root_.get(), FullName(path)));
  BATON_ASSIGN_OR_RETURN(UniqueFd fd, OpenBeneath(path, OpenFlags(options), "open"));
  const int flags = ::fcntl(fd.get(), F_GETFL);
  if (flags < 0) return ErrnoStatus(errno, "fcntl", FullName(path));
  return PosixFile::Adopt(std::move(fd), (flags & O_DIRECT) != 0, FullName(path));
}

absl::Status PosixStorage::MakeDirectory(const std::string& path) {
  BATON_ASSIGN_OR_RETURN(const Place place, Locate(path, "make directory"));
  if (::mkdirat(place.parent.get(), place.name.c_str(), 0700) == 0) return absl::OkStatus();
  return ErrnoStatus(errno, "make directory", FullName(path));
}

absl::StatusOr<std::vector<std::string>> PosixStorage::List(const std::string& path) const {
  BATON_ASSIGN_OR_RETURN(UniqueFd fd, OpenBeneath(path, kDirectoryFlags, "list"));
  // Asks the server of a network file system: where the directory has changed, the names that this
  // kernel has kept of it are read anew, by what follows and by later look-ups.
  struct statx ignored = {};
  if (::statx(fd.get(), "", AT_EMPTY_PATH | AT_STATX_FORCE_SYNC, STATX_CTIME, &ignored) != 0) {
    return ErrnoStatus(errno, "list", FullName(path));
  }
  const std::unique_ptr<DIR, CloseDirectory> directory(::fdopendir(fd.get()));
  if (directory == nullptr) return ErrnoStatus(errno, "list", FullName(path));
  fd.Release();  // the stream owns it now
  return ReadNames(directory.get(), FullName(path));
}

absl::StatusOr<bool> PosixStorage::Exists(const std::string& path) const {
  BATON_RETURN_IF_ERROR(CheckStoragePath(path));
  if (path.empty()) return true;
  const absl::StatusOr<Place> place = Locate(path, "look up");
  if (absl::IsNotFound(place.status())) return false;
  BATON_RETURN_IF_ERROR(place.status());
  struct stat attributes = {};
  if (::fstatat(place->parent.get(), place->name.c_str(), &attributes, AT_SYMLINK_NOFOLLOW) == 0) {
    return true;
  }
  if (errno == ENOENT) return false;
  return ErrnoStatus(errno, "look up", FullName(path));
}

absl::Status PosixStorage::RenameWith(const std::string& from, const std::string& to,
                                      unsigned flags) {
  BATON_ASSIGN_OR_RETURN(const Place old_place, Locate(from, "rename"));
  BATON_ASSIGN_OR_RETURN(const Place new_place, Locate(to, "rename to"));
  if (::renameat2(old_place.parent.get(), old_place.name.c_str(), new_place.parent.get(),
                  new_place.name.c_str(), flags) == 0) {
    return absl::OkStatus();
  }
  return ErrnoStatus(errno, "rename " + FullName(from) + " to", FullName(to));
}

absl::Status PosixStorage::Rename(const std::string& from, const std::string& to) {
  return RenameWith(from, to, 0);
}

// Without the flag a look before is all there is. Link and unlink would not replace a file either,
// but an unlink that is carried out late, when the next owner has taken the link back, loses one.
absl::Status PosixStorage::RenameToFree(const std::string& from, const std::string& to) {
  const absl::Status renamed = RenameWith(from, to, RENAME_NOREPLACE);
  if (!absl::IsInvalidArgument(renamed) && !absl::IsUnimplemented(renamed)) return renamed;
  BATON_ASSIGN_OR_RETURN(const bool is_taken, Exists(to));
  if (is_taken) return ErrnoStatus(EEXIST, "rename " + FullName(from) + " to", FullName(to));
  return Rename(from, to);
}

absl::Status PosixStorage::Link(const std::string& from, const std::string& to) {
  BATON_ASSIGN_OR_RETURN(const Place old_place, Locate(from, "link"));
  BATON_ASSIGN_OR_RETURN(const Place new_place, Locate(to, "link to"));
  if (::linkat(old_place.parent.get(), old_place.name.c_str(), new_place.parent.get(),
               new_place.name.c_str(), 0) == 0) {
    return absl::OkStatus();
  }
  return ErrnoStatus(errno, "link " + FullName(from) + " to", FullName(to));
}

absl::Status PosixStorage::Remove(const std::string& path) {
  BATON_ASSIGN_OR_RETURN(const Place place, Locate(path, "remove"));
  if (::unlinkat(place.parent.get(), place.name.c_str(), 0) == 0) return absl::OkStatus();
  if (errno == EISDIR && ::unlinkat(place.parent.get(), place.name.c_str(), AT_REMOVEDIR) == 0) {
    return absl::OkStatus();
  }
  return ErrnoStatus(errno, "remove", FullName(path));
}

absl::Status PosixStorage::SyncDirectory(const std::string& path) {
  BATON_ASSIGN_OR_RETURN(const UniqueFd fd, OpenBeneath(path, kDirectoryFlags, "sync directory"));
  while (::fsync(fd.get()) != 0) {
    if (errno != EINTR) return ErrnoStatus(errno, "sync directory", FullName(path));
  }
  return absl::OkStatus();
}

absl::Status PosixStorage::WriteSideBySide(std::span<const SideWrite> writes) {
  for (const SideWrite& write : writes) {
    const auto* file = dynamic_cast<const PosixFile*>(write.file);
    if (file == nullptr) {
      return Error(absl::StatusCode::kInvalidArgument,
                   "write side by side in {}: the file is not one of it", directory_);
    }
    BATON_RETURN_IF_ERROR(file->CheckAligned(write.offset, write.data));
  }
  return side_writers_.WriteAll(writes);
}

absl::StatusOr<uint64_t> PosixStorage::FreeBytes() const {
  struct statvfs capacity = {};
  if (::fstatvfs(root_.get(), &capacity) != 0) return ErrnoStatus(errno, "statvfs", directory_);
  return uint64_t{capacity.f_bavail} * capacity.f_frsize;
}

absl::StatusOr<uint64_t> PosixStorage::TotalBytes() const {
  struct statvfs capacity = {};
  if (::fstatvfs(root_.get(), &capacity) != 0) return ErrnoStatus(errno, "statvfs", directory_);
  return uint64_t{capacity.f_blocks} * capacity.f_frsize;
}

bool PosixStorage::WritesEndWithProcess() const {
  struct statfs file_system = {};
  if (::fstatfs(root_.get(), &file_system) != 0) return false;
  const auto type = static_cast<uint64_t>(file_system.f_type);
  return std::find(kWritesEndWithProcess.begin(), kWritesEndWithProcess.end(), type) !=
         kWritesEndWithProcess.end();
}

}  // namespace baton
