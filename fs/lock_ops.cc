// Advisory locks: flock, fcntl, and the closing of files, which ends locks.
#include <fcntl.h>
#include <sys/file.h>

#include <cerrno>

#include "engine/base/status.h"
#include "fs/volume_ops.h"

namespace baton::fs {
namespace {

// The request is answered by MountLocks.
void Park(fuse_req_t request, fuse_ino_t node, const FileLock& lock, bool unlocks, bool waits) {
  const MountLocks::Request parked{.unique = ServerOf(request).received,
                                   .volume_id = VolumeOf(node),
                                   .lock = lock,
                                   .waits = waits};
  MountLocks& locks = MountedOf(request).locks;
  fuse_reply_none(request);
  if (unlocks) {
    locks.Unlock(parked);
  } else {
    locks.Lock(parked);
    // A signal may have come before it was parked.
    if (ServedRequest::Current().interrupted()) locks.Interrupt(parked.unique);
  }
}

FileLock RangeOf(fuse_req_t request, const fuse_file_info& file, const struct flock& range) {
  const auto first = static_cast<uint64_t>(range.l_start);
  return {.space = LockSpace::kRanges,
          .exclusive = range.l_type == F_WRLCK,
          .first = first,
          .last = range.l_len == 0 ? kLastByte : first + static_cast<uint64_t>(range.l_len) - 1,
          .owner = file.lock_owner,
          .handle = file.fh,
          .pid = static_cast<uint32_t>(fuse_req_ctx(request)->pid)};
}

void SetLock(fuse_req_t request, fuse_ino_t node, fuse_file_info* file, struct flock* range,
             int waits) {
  FileLock lock = RangeOf(request, *file, *range);
  // A request has the number of the thread; the lock is the process's.
  if (range->l_pid > 0) lock.pid = static_cast<uint32_t>(range->l_pid);
  Park(request, node, lock, range->l_type == F_UNLCK, waits != 0);
}

void GetLock(fuse_req_t request, fuse_ino_t node, fuse_file_info* file, struct flock* range) {
  const absl::StatusOr<std::optional<FileLock>> found =
      MountedOf(request).locks.Find(VolumeOf(node), RangeOf(request, *file, *range));
  if (!found.ok()) {
    ReplyError(request, found.status(), "looking for locks of", node);
    return;
  }
  struct flock answer = {};
  answer.l_type = F_UNLCK;
  if (const std::optional<FileLock>& lock = *found) {
    answer.l_type = lock->exclusive ? F_WRLCK : F_RDLCK;
    answer.l_start = static_cast<off_t>(lock->first);
    answer.l_len = lock->last == kLastByte ? 0 : static_cast<off_t>(lock->last - lock->first + 1);
    answer.l_pid = static_cast<pid_t>(lock->pid);
  }
  answer.l_whence = SEEK_SET;
  fuse_reply_lock(request, &answer);
}

void Flock(fuse_req_t request, fuse_ino_t node, fuse_file_info* file, int operation) {
  const FileLock lock{.space = LockSpace::kFlock,
                      .exclusive = (operation & LOCK_EX) != 0,
                      .owner = file->lock_owner,
                      .handle = file->fh,
                      .pid = static_cast<uint32_t>(fuse_req_ctx(request)->pid)};
  Park(request, node, lock, (operation & LOCK_UN) != 0, (operation & LOCK_NB) == 0);
}

// The kernel asks at each close of a file that was opened while such locks were held, by whatever
// process; it has nothing else to write back.
void Flush(fuse_req_t request, fuse_ino_t node, fuse_file_info* file) {
  const uint64_t unique = ServerOf(request).received;
  if (MountedOf(request).locks.Close(unique, VolumeOf(node), file->lock_owner)) {
    fuse_reply_none(request);
  } else {
    fuse_reply_err(request, 0);
  }
}

}  // namespace

void AddLockOps(fuse_lowlevel_ops& ops) {
  ops.setlk = SetLock;
  ops.getlk = GetLock;
  ops.flock = Flock;
  ops.flush = Flush;
}

}  // namespace baton::fs
