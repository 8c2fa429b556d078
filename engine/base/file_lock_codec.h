// Locks as records, and records as locks.
#pragma once

#include "engine/base/file_lock.h"
#include "engine/base/model.pb.h"

namespace baton {

inline HeldLock RecordOf(const FileLock& lock) {
  HeldLock record;
  record.set_flock(lock.space == LockSpace::kFlock);
  record.set_exclusive(lock.exclusive);
  record.set_first(lock.first);
  record.set_last(lock.last);
  record.set_owner(lock.owner);
  record.set_handle(lock.handle);
  record.set_pid(lock.pid);
  return record;
}

inline FileLock LockOf(const HeldLock& record) {
  return {.space = record.flock() ? LockSpace::kFlock : LockSpace::kRanges,
          .exclusive = record.exclusive(),
          .first = record.first(),
          .last = record.last(),
          .owner = record.owner(),
          .handle = record.handle(),
          .pid = record.pid()};
}

// `records`: a repeated field of HeldLock.
template <typename Records>
FileLocks LocksOf(const Records& records) {
  FileLocks locks;
  for (const HeldLock& record : records) locks.push_back(LockOf(record));
  return locks;
}

}  // namespace baton
