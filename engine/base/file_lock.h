// Advisory locks on a file, as lists: what flock and fcntl mean, without anybody who waits.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace baton {

// flock locks and those of fcntl (POSIX and open file description locks) do not see each other.
enum class LockSpace { kFlock, kRanges };

// The last byte of a lock that reaches to the end of whatever the file becomes.
constexpr uint64_t kLastByte = INT64_MAX;

struct FileLock {
  LockSpace space = LockSpace::kRanges;
  bool exclusive = false;
  uint64_t first = 0;
  uint64_t last = kLastByte;  // included
  // Who holds it: a number that the kernel draws, of a process for POSIX locks, of an open file for
  // all others. Means nothing on another node.
  uint64_t owner = 0;
  uint64_t handle = 0;  // of the open file through which it was got
  uint32_t pid = 0;     // of the process, in the mount's namespace; 0: of another node

  bool operator==(const FileLock&) const = default;
};

// What is held on one file through one mount. Two locks of one owner and space never overlap.
using FileLocks = std::vector<FileLock>;

struct VolumeLocks {
  uint64_t volume_id = 0;
  FileLocks locks;
};

// A lock of another owner of the same mount that keeps `wanted` out.
std::optional<FileLock> FindConflict(const FileLocks& held, const FileLock& wanted);
// The same for locks that are held through another mount: all of them are of other owners.
std::optional<FileLock> FindForeignConflict(const FileLocks& held, const FileLock& wanted);

// The list once `lock` is held, too: it takes the place of what its owner held in its range, and
// joins equal neighbours.
FileLocks WithLock(FileLocks held, const FileLock& lock);
// The list once its owner holds nothing in the range of `lock`.
FileLocks WithoutRange(FileLocks held, const FileLock& lock);
// The list once `owner` has closed the file: that ends its POSIX locks.
FileLocks WithoutOwner(FileLocks held, uint64_t owner);
// The list once the open file is gone, with all that was got through it.
FileLocks WithoutHandle(FileLocks held, uint64_t handle);

}  // namespace baton
