#include "fs/attributes.h"

#include <algorithm>

#include "engine/base/limits.h"
#include "fs/mount_settings.h"

namespace baton::fs {
namespace {

constexpr uint64_t kStatBlockBytes = 512;  // st_blocks counts these, whatever st_blksize says
constexpr int64_t kMicrosPerSecond = 1'000'000;

timespec TimeOf(int64_t unix_us) {
  timespec result = {};
  result.tv_sec = unix_us / kMicrosPerSecond;
  result.tv_nsec = unix_us % kMicrosPerSecond * 1000;
  return result;
}

}  // namespace

struct stat RootAttributes(const Ownership& ownership) {
  struct stat result = {};
  result.st_ino = kRootNode;
  result.st_mode = S_IFDIR | ownership.directory_mode;
  result.st_nlink = 2;
  result.st_uid = ownership.uid;
  result.st_gid = ownership.gid;
  result.st_blksize = kPageBytes;
  return result;
}

struct stat VolumeAttributes(const VolumeEntry& entry, const Ownership& ownership, absl::Time now) {
  struct stat result = {};
  result.st_ino = NodeOf(entry.id);
  result.st_mode = S_IFREG | ownership.file_mode;
  result.st_nlink = 1;
  result.st_uid = ownership.uid;
  result.st_gid = ownership.gid;
  result.st_size = static_cast<off_t>(entry.size_bytes);
  result.st_blksize = kPageBytes;
  result.st_blocks = static_cast<blkcnt_t>(entry.allocated_bytes / kStatBlockBytes);
  // A time that moves: who compares it never takes the volume for unchanged.
  result.st_mtim =
      TimeOf(entry.changed_unix_us != 0 ? entry.changed_unix_us : absl::ToUnixMicros(now));
  result.st_atim = result.st_mtim;
  result.st_ctim = result.st_mtim;
  return result;
}

struct statvfs FileSystemAttributes(const Capacity& capacity) {
  struct statvfs result = {};
  result.f_bsize = kPageBytes;
  result.f_frsize = kPageBytes;
  result.f_blocks = capacity.total_bytes / kPageBytes;
  result.f_bfree = capacity.free_bytes / kPageBytes;
  result.f_bavail = result.f_bfree;
  result.f_files = limits::kMaxVolumes;
  result.f_ffree = limits::kMaxVolumes - std::min(capacity.volumes, limits::kMaxVolumes);
  result.f_favail = result.f_ffree;
  result.f_namemax = limits::kMaxNameBytes;
  return result;
}

}  // namespace baton::fs
