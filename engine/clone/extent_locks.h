// The in-flight registry: who is copying which extents right now.
#pragma once

#include <absl/synchronization/mutex.h>

#include <vector>

#include "engine/base/runtime.h"
#include "engine/clone/bitmap.h"
#include "engine/clone/extents.h"

namespace baton {

// A lock on extents excludes everybody else from its extents. Held over the copy and until the bits
// are set (or the attempt is given up). Foreground and background copies use the same registry;
// together they never hold more than `limit` extents of copies, which bounds what a crash makes us
// repeat; the background leaves `reserve` of them to host writes. Thread-safe; no allocation.
class ExtentLocks {
 public:
  ExtentLocks(Runtime& runtime, const Bitmap& copied, uint64_t limit, uint64_t reserve)
      : runtime_(runtime), copied_(copied), limit_(limit), reserve_(reserve) {}

  // The locked extents of one holder; lives on the stack of its holder.
  class Hold {
   public:
    explicit Hold(ExtentLocks& locks) : locks_(locks) {}
    ~Hold() { locks_.Release(*this); }
    Hold(const Hold&) = delete;
    Hold& operator=(const Hold&) = delete;
    ExtentSpan span() const { return span_; }
    bool holds_any() const { return span_.count != 0; }

   private:
    friend class ExtentLocks;
    ExtentLocks& locks_;
    ExtentSpan span_;
    uint64_t weight_ = 0;  // extents that count against the limit
    Hold* next_ = nullptr;
  };

  // Locks the first run of extents in `wanted` that are not copied, at most `max` of them;
  // waits while its first extent is locked by somebody else. The hold stays empty when
  // all of `wanted` is copied.
  void AcquirePending(Hold& hold, ExtentSpan wanted, uint64_t max);

  // The first extent in [from, end) that is neither copied nor locked, or end.
  uint64_t NextFree(uint64_t from, uint64_t end) const;

  // Locks the run of extents from `wanted.first` on that are neither copied nor locked, at
  // most `wanted.count`. False when there is none or, for a run that is to be copied (`weighs`),
  // when the limit less the reserve has no room for it; never waits.
  bool TryAcquire(Hold& hold, ExtentSpan wanted, bool weighs);

  void Release(Hold& hold);

  // Returns when no hold is held. The caller has made sure that no new one will be.
  void WaitNone();

  // Extents that are being copied now; holes that are being recorded do not count.
  uint64_t copying() const;
  std::vector<ExtentSpan> Snapshot() const;

 private:
  bool IsLocked(uint64_t extent) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Length of the run from `first` on, at most `max`, that is neither copied nor locked.
  uint64_t FreeRun(uint64_t first, uint64_t max) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Add(Hold& hold, ExtentSpan span, uint64_t weight) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  Runtime& runtime_;
  const Bitmap& copied_;
  const uint64_t limit_;
  const uint64_t reserve_;
  mutable absl::Mutex mutex_;
  absl::CondVar released_;
  Hold* held_ ABSL_GUARDED_BY(mutex_) = nullptr;
  uint64_t weight_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace baton
