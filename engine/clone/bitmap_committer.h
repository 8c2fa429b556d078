// Lands copies: writes the bits of copied extents into the metadata, in batches, one sync each.
#pragma once

#include <absl/synchronization/mutex.h>

#include <array>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "engine/base/checksum.h"
#include "engine/base/fault.h"
#include "engine/base/runtime.h"
#include "engine/clone/copy_progress.h"
#include "engine/clone/extents.h"
#include "engine/clone/intent_log.h"
#include "engine/meta/catalog.h"

namespace baton {

// One thread. A batch is written when limits::kLandingBatch copies wait, when the oldest has
// waited limits::kLandingDelayMs, or at once when somebody waits for it or entries run short.
// After a metadata error everything here returns Aborted; entries that had not landed are kept.
// Thread-safe; a foreground copy allocates nothing.
class BitmapCommitter {
 public:
  BitmapCommitter(Runtime& runtime, Catalog& catalog, IntentLog& log, Fault& fault);
  ~BitmapCommitter();  // what is queued is landed first
  BitmapCommitter(const BitmapCommitter&) = delete;
  BitmapCommitter& operator=(const BitmapCommitter&) = delete;

  // An entry of the intent log for a foreground copy, waiting while all are in use; it goes back by
  // Enqueue (once landed) or by Abandon (nothing needs what was written there).
  absl::StatusOr<uint32_t> AcquireEntry();
  void Abandon(uint32_t entry);

  // The copy of `span` is durable in the target, and its evidence in `entry`; the caller has
  // counted it in progress.landing. To be called before the bits are set in memory, so that whoever
  // sees a bit can wait for its landing.
  void Enqueue(Progress& progress, ExtentSpan span, std::span<const Digest> digests,
               uint32_t entry);

  // Somebody else has met a fault: from now on everything here returns `aborted`.
  void GiveUp(const absl::Status& aborted);

  // Records `span`, whose data is durable (no digests: holes); returns when the bits are durable,
  // or when they are in no commit that is under way and will be in none.
  absl::Status Land(Progress& progress, ExtentSpan span, std::span<const Digest> digests);

  // Returns when the bits of all copies of `span` that were enqueued before are durable.
  absl::Status WaitLanded(const Progress& progress, ExtentSpan span);

  std::vector<ExtentSpan> Snapshot(const Progress& progress) const;

 private:
  struct Landing {
    Progress* progress = nullptr;
    ExtentSpan span;
    std::array<Digest, limits::kMaxExtentsPerCopy> digests;
    size_t digest_count = 0;
    std::optional<uint32_t> entry;
    bool committing = false;
    bool done = false;
    Landing* next = nullptr;
  };

  void Work();
  void Append(Landing& landing) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool IsDue() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void WaitUntilDue() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Landing* TakeQueue() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status Commit(const Landing* batch);
  void Finish(Landing* batch);
  // Nothing that is queued will be committed.
  void Drop(const absl::Status& aborted) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Calls `visit` with everything that is queued or being committed.
  template <typename Visit>
  void ForEach(Visit visit) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool IsLanding(const Progress& progress, ExtentSpan span) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  Runtime& runtime_;
  Catalog& catalog_;
  IntentLog& log_;
  Fault& fault_;

  mutable absl::Mutex mutex_;
  absl::CondVar work_;             // the thread waits here
  absl::CondVar landed_;           // everybody else waits here
  std::vector<Landing> by_entry_;  // of an entry's holder until enqueued
  Landing* queue_ ABSL_GUARDED_BY(mutex_) = nullptr;
  Landing* queue_tail_ ABSL_GUARDED_BY(mutex_) = nullptr;
  Landing* committing_ ABSL_GUARDED_BY(mutex_) = nullptr;
  size_t queued_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Duration oldest_ ABSL_GUARDED_BY(mutex_);
  int flush_waiters_ ABSL_GUARDED_BY(mutex_) = 0;  // how many wait for the queue to land
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status failed_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<Thread> thread_;
};

}  // namespace baton
