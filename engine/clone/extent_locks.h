// The in-flight registry: who is copying which extents right now.
#pragma once

#include <absl/synchronization/mutex.h>

#include <vector>

#include "engine/base/runtime.h"
#include "engine/clone/bitmap.h"
#include "engine/clone/extents.h"

namespace baton {

// A claim excludes everybody else from its extents. Held over the copy and until the bits are set
// (or the attempt is given up). Foreground and background copies use the same registry; together
// they never hold more than `limit` extents of copies, which bounds what a crash makes us repeat;
// the background leaves `reserve` of them to host writes.
// Thread-safe; no allocation.
class Claims {
 public:
  Claims(Runtime& runtime, const Bitmap& copied, uint64_t limit, uint64_t reserve)
      : runtime_(runtime), copied_(copied), limit_(limit), reserve_(reserve) {}

  // One claim; lives on the stack of its holder.
  class Claim {
   public:
    explicit Claim(Claims& claims) : claims_(claims) {}
    ~Claim() { claims_.Release(*this); }
    Claim(const Claim&) = delete;
    Claim& operator=(const Claim&) = delete;
    ExtentSpan span() const { return span_; }
    bool holds_any() const { return span_.count != 0; }

   private:
    friend class Claims;
    Claims& claims_;
    ExtentSpan span_;
    uint64_t weight_ = 0;  // extents that count against the limit
    Claim* next_ = nullptr;
  };

  // Claims the first run of extents in `wanted` that are not copied, at most `max` of them;
  // waits while its first extent is claimed by somebody else. The claim stays empty when
  // all of `wanted` is copied.
  void AcquirePending(Claim& claim, ExtentSpan wanted, uint64_t max);

  // The first extent in [from, end) that is neither copied nor claimed, or end.
  uint64_t NextFree(uint64_t from, uint64_t end) const;

  // Claims the run of extents from `wanted.first` on that are neither copied nor claimed, at most
  // `wanted.count`. False when there is none or, for a run that is to be copied (`weighs`), when
  // the limit less the reserve has no room for it; never waits.
  bool TryAcquire(Claim& claim, ExtentSpan wanted, bool weighs);

  void Release(Claim& claim);

  // Returns when no claim is held. The caller has made sure that no new one will be.
  void WaitNone();

  // Extents that are being copied now; holes that are being recorded do not count.
  uint64_t copying() const;
  std::vector<ExtentSpan> Snapshot() const;

 private:
  bool IsClaimed(uint64_t extent) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Length of the run from `first` on, at most `max`, that is neither copied nor claimed.
  uint64_t FreeRun(uint64_t first, uint64_t max) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Add(Claim& claim, ExtentSpan span, uint64_t weight) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  Runtime& runtime_;
  const Bitmap& copied_;
  const uint64_t limit_;
  const uint64_t reserve_;
  mutable absl::Mutex mutex_;
  absl::CondVar released_;
  Claim* held_ ABSL_GUARDED_BY(mutex_) = nullptr;
  uint64_t weight_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace baton
