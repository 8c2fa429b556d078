// Shared and exclusive locks on ranges of bytes.
#pragma once

#include <absl/base/thread_annotations.h>
#include <absl/synchronization/mutex.h>

#include <cstdint>

#include "engine/base/runtime.h"

namespace baton {

// Half-open: begin < end.
struct ByteRange {
  uint64_t begin = 0;
  uint64_t end = 0;
};

// Requests queue in the order in which they come: one waits behind every earlier one that it
// conflicts with, held or still waiting. So nobody starves, and a stream of shared holders cannot
// keep an exclusive one out.
//
// Thread-safe. A thread has at most one Hold of a lock at a time: with two it could wait behind
// somebody who waits for its first.
class RangeLock {
 public:
  enum class Mode { kShared, kExclusive };

  explicit RangeLock(Runtime& runtime) : runtime_(runtime) {}
  RangeLock(const RangeLock&) = delete;
  RangeLock& operator=(const RangeLock&) = delete;

  // Waits until the range is its own; gives it back when destroyed. It is its own place in the
  // queue, on the caller's stack: locking allocates nothing and cannot fail.
  class Hold {
   public:
    Hold(RangeLock& lock, ByteRange range, Mode mode);
    ~Hold();
    Hold(const Hold&) = delete;
    Hold& operator=(const Hold&) = delete;

   private:
    friend class RangeLock;
    bool ConflictsWith(const Hold& other) const;

    RangeLock& lock_;
    const ByteRange range_;
    const Mode mode_;
    Hold* previous_ = nullptr;
    Hold* next_ = nullptr;
  };

 private:
  void Acquire(Hold& hold) ABSL_LOCKS_EXCLUDED(mutex_);
  void Release(Hold& hold) ABSL_LOCKS_EXCLUDED(mutex_);
  void Append(Hold& hold) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Unlink(Hold& hold) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool MustWait(const Hold& hold) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  Runtime& runtime_;
  absl::Mutex mutex_;
  absl::CondVar released_;
  // Held and waiting, oldest first.
  Hold* first_ ABSL_GUARDED_BY(mutex_) = nullptr;
  Hold* last_ ABSL_GUARDED_BY(mutex_) = nullptr;
  int exclusive_ ABSL_GUARDED_BY(mutex_) = 0;  // of those in the queue
  int waiting_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace baton
