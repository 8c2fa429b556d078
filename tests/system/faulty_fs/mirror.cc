#include "tests/system/faulty_fs/mirror.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>

namespace baton::faulty {
namespace {

constexpr size_t kPage = 4096;
constexpr size_t kBounceBytes = 2 << 20;

// An open file of the directory.
struct Handle {
  int fd;
  bool direct;
  uint64_t lock_owner = 0;  // who has set a lock through it
};

Mirror& mirror() { return *static_cast<Mirror*>(fuse_get_context()->private_data); }

int Meet(Operation operation) { return mirror().faults.Meet(operation, fuse_get_context()->pid); }

const char* Below(const char* path) { return path[1] == '\0' ? "." : path + 1; }

Handle& HandleOf(const fuse_file_info* info) { return *reinterpret_cast<Handle*>(info->fh); }

int Result(int64_t result) { return result < 0 ? -errno : static_cast<int>(result); }

// Where a direct transfer goes to or comes from: libfuse's buffers have no alignment.
char* Bounce() {
  thread_local std::unique_ptr<char, decltype(&std::free)> buffer(
      static_cast<char*>(std::aligned_alloc(kPage, kBounceBytes)), &std::free);
  return buffer.get();
}

// ---- names ----

int GetAttributes(const char* path, struct stat* attributes, fuse_file_info* info) {
  if (const int error = Meet(Operation::kOther)) return error;
  if (info != nullptr) return Result(::fstat(HandleOf(info).fd, attributes));
  return Result(::fstatat(mirror().root, Below(path), attributes, AT_SYMLINK_NOFOLLOW));
}

int MakeDirectory(const char* path, mode_t mode) {
  if (const int error = Meet(Operation::kWrite)) return error;
  return Result(::mkdirat(mirror().root, Below(path), mode));
}

int Unlink(const char* path) {
  if (const int error = Meet(Operation::kWrite)) return error;
  return Result(::unlinkat(mirror().root, Below(path), 0));
}

int RemoveDirectory(const char* path) {
  if (const int error = Meet(Operation::kWrite)) return error;
  return Result(::unlinkat(mirror().root, Below(path), AT_REMOVEDIR));
}

int Rename(const char* from, const char* to, unsigned int flags) {
  if (const int error = Meet(Operation::kWrite)) return error;
  const int root = mirror().root;
  return Result(::renameat2(root, Below(from), root, Below(to), flags));
}

int Link(const char* from, const char* to) {
  if (const int error = Meet(Operation::kWrite)) return error;
  const int root = mirror().root;
  return Result(::linkat(root, Below(from), root, Below(to), 0));
}

int ChangeMode(const char* path, mode_t mode, fuse_file_info* info) {
  if (const int error = Meet(Operation::kWrite)) return error;
  if (info != nullptr) return Result(::fchmod(HandleOf(info).fd, mode));
  return Result(::fchmodat(mirror().root, Below(path), mode, 0));
}

int ChangeOwner(const char* path, uid_t uid, gid_t gid, fuse_file_info* info) {
  if (const int error = Meet(Operation::kWrite)) return error;
  if (info != nullptr) return Result(::fchown(HandleOf(info).fd, uid, gid));
  return Result(::fchownat(mirror().root, Below(path), uid, gid, AT_SYMLINK_NOFOLLOW));
}

int ChangeTimes(const char* path, const timespec times[2], fuse_file_info* info) {
  if (const int error = Meet(Operation::kWrite)) return error;
  if (info != nullptr) return Result(::futimens(HandleOf(info).fd, times));
  return Result(::utimensat(mirror().root, Below(path), times, AT_SYMLINK_NOFOLLOW));
}

int OpenDirectory(const char* path, fuse_file_info* info) {
  if (const int error = Meet(Operation::kOther)) return error;
  const int fd = ::openat(mirror().root, Below(path), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return -errno;
  info->fh = reinterpret_cast<uint64_t>(::fdopendir(fd));
  return 0;
}

DIR* DirectoryOf(const fuse_file_info* info) { return reinterpret_cast<DIR*>(info->fh); }

int ReadDirectory(const char*, void* buffer, fuse_fill_dir_t fill, off_t, fuse_file_info* info,
                  fuse_readdir_flags) {
  if (const int error = Meet(Operation::kOther)) return error;
  ::rewinddir(DirectoryOf(info));
  while (const dirent* entry = ::readdir(DirectoryOf(info))) {
    struct stat attributes = {};
    attributes.st_ino = entry->d_ino;
    attributes.st_mode = static_cast<mode_t>(entry->d_type) << 12;
    if (fill(buffer, entry->d_name, &attributes, 0, fuse_fill_dir_flags{}) != 0) break;
  }
  return 0;
}

int SyncDirectory(const char*, int, fuse_file_info* info) {
  if (const int error = Meet(Operation::kSync)) return error;
  return Result(::fsync(::dirfd(DirectoryOf(info))));
}

int ReleaseDirectory(const char*, fuse_file_info* info) {
  ::closedir(DirectoryOf(info));
  return 0;
}

int GetCapacity(const char*, struct statvfs* capacity) {
  if (const int error = Meet(Operation::kOther)) return error;
  return Result(::fstatvfs(mirror().root, capacity));
}

// ---- open files ----

int OpenWithMode(const char* path, mode_t mode, fuse_file_info* info) {
  const bool changes = (info->flags & (O_CREAT | O_TRUNC)) != 0;
  if (const int error = Meet(changes ? Operation::kWrite : Operation::kOther)) return error;
  // An offset that the kernel chose is right even for a file that is appended to.
  const int flags = (info->flags & ~(O_APPEND | O_NOFOLLOW)) | O_CLOEXEC;
  const int fd = ::openat(mirror().root, Below(path), flags, mode);
  if (fd < 0) return -errno;
  info->fh = reinterpret_cast<uint64_t>(new Handle{fd, (flags & O_DIRECT) != 0});
  info->direct_io = 1;
  return 0;
}

int Open(const char* path, fuse_file_info* info) { return OpenWithMode(path, 0, info); }

int Create(const char* path, mode_t mode, fuse_file_info* info) {
  info->flags |= O_CREAT;
  return OpenWithMode(path, mode, info);
}

int Release(const char*, fuse_file_info* info) {
  ::close(HandleOf(info).fd);
  delete &HandleOf(info);
  return 0;
}

int Read(const char*, char* data, size_t size, off_t offset, fuse_file_info* info) {
  if (const int error = Meet(Operation::kRead)) return error;
  const Handle& handle = HandleOf(info);
  if (!handle.direct) return Result(::pread(handle.fd, data, size, offset));
  const ssize_t got = ::pread(handle.fd, Bounce(), std::min(size, kBounceBytes), offset);
  if (got < 0) return -errno;
  std::memcpy(data, Bounce(), static_cast<size_t>(got));
  return static_cast<int>(got);
}

int Write(const char*, const char* data, size_t size, off_t offset, fuse_file_info* info) {
  if (const int error = Meet(Operation::kWrite)) return error;
  const Handle& handle = HandleOf(info);
  if (!handle.direct) return Result(::pwrite(handle.fd, data, size, offset));
  size = std::min(size, kBounceBytes);
  std::memcpy(Bounce(), data, size);
  return Result(::pwrite(handle.fd, Bounce(), size, offset));
}

int Sync(const char*, int data_only, fuse_file_info* info) {
  if (const int error = Meet(Operation::kSync)) return error;
  const int fd = HandleOf(info).fd;
  return Result(data_only != 0 ? ::fdatasync(fd) : ::fsync(fd));
}

int Truncate(const char* path, off_t size, fuse_file_info* info) {
  if (const int error = Meet(Operation::kWrite)) return error;
  if (info != nullptr) return Result(::ftruncate(HandleOf(info).fd, size));
  const int fd = ::openat(mirror().root, Below(path), O_WRONLY);
  if (fd < 0) return -errno;
  const int result = Result(::ftruncate(fd, size));
  ::close(fd);
  return result;
}

int Allocate(const char*, int mode, off_t offset, off_t length, fuse_file_info* info) {
  if (const int error = Meet(Operation::kWrite)) return error;
  return Result(::fallocate(HandleOf(info).fd, mode, offset, length));
}

off_t Seek(const char*, off_t offset, int whence, fuse_file_info* info) {
  if (const int error = Meet(Operation::kRead)) return error;
  const off_t found = ::lseek(HandleOf(info).fd, offset, whence);
  return found < 0 ? -errno : found;
}

// ---- locks ----

int LockFile(const char*, fuse_file_info* info, int operation) {
  if (const int error = Meet(Operation::kOther)) return error;
  return Result(::flock(HandleOf(info).fd, operation));
}

// Locks of processes and of open files are both taken for the open file here.
int LockRange(const char*, fuse_file_info* info, int command, struct flock* range) {
  if (const int error = Meet(Operation::kOther)) return error;
  Handle& handle = HandleOf(info);
  range->l_pid = 0;
  if (command == F_GETLK) return Result(::fcntl(handle.fd, F_OFD_GETLK, range));
  handle.lock_owner = info->lock_owner;
  return Result(::fcntl(handle.fd, command == F_SETLKW ? F_OFD_SETLKW : F_OFD_SETLK, range));
}

// A process has closed one of its descriptors: its locks end.
int Flush(const char*, fuse_file_info* info) {
  const Handle& handle = HandleOf(info);
  if (handle.lock_owner == 0 || handle.lock_owner != info->lock_owner) return 0;
  struct flock all = {};
  all.l_type = F_UNLCK;
  return Result(::fcntl(handle.fd, F_OFD_SETLK, &all));
}

void* Initialise(fuse_conn_info*, fuse_config* config) {
  config->use_ino = 1;
  config->hard_remove = 1;
  config->nullpath_ok = 1;
  config->entry_timeout = config->attr_timeout = config->negative_timeout = 0;
  std::puts("ready");
  std::fflush(stdout);
  return fuse_get_context()->private_data;
}

fuse_operations MakeOperations() {
  fuse_operations operations = {};
  operations.init = Initialise;
  operations.getattr = GetAttributes;
  operations.mkdir = MakeDirectory;
  operations.unlink = Unlink;
  operations.rmdir = RemoveDirectory;
  operations.rename = Rename;
  operations.link = Link;
  operations.chmod = ChangeMode;
  operations.chown = ChangeOwner;
  operations.utimens = ChangeTimes;
  operations.opendir = OpenDirectory;
  operations.readdir = ReadDirectory;
  operations.releasedir = ReleaseDirectory;
  operations.fsyncdir = SyncDirectory;
  operations.statfs = GetCapacity;
  operations.open = Open;
  operations.create = Create;
  operations.release = Release;
  operations.read = Read;
  operations.write = Write;
  operations.fsync = Sync;
  operations.truncate = Truncate;
  operations.fallocate = Allocate;
  operations.lseek = Seek;
  operations.flock = LockFile;
  operations.lock = LockRange;
  operations.flush = Flush;
  return operations;
}

}  // namespace

const fuse_operations& MirrorOperations() {
  static const fuse_operations operations = MakeOperations();
  return operations;
}

}  // namespace baton::faulty
