// Carries preserved data from the intent log to the targets, in batches, one sync of a target each.
#pragma once

#include <absl/synchronization/mutex.h>

#include <array>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <vector>

#include "engine/base/fault.h"
#include "engine/base/runtime.h"
#include "engine/clone/bitmap_committer.h"
#include "engine/clone/copy_progress.h"
#include "engine/clone/extents.h"
#include "engine/clone/intent_log.h"
#include "engine/volume/volume_file.h"

namespace baton {

// One thread, in front of the committer: a copy whose data is durable in an entry of the intent log
// waits here until it is durable in the target (O2), and is then handed to the committer. A batch
// is written back when limits::kWritebackBatch copies wait, when the oldest has waited
// limits::kWritebackDelayMs, or at once when somebody waits for it.
//
// A target that does not take its data ends the run: `on_failed` makes that durable, and only then
// are the run's entries given back (what they hold may be the only T0 content). A failed sync, and
// an error of `on_failed`, are faults: everything here and in the committer returns Aborted.
// Thread-safe; a foreground copy allocates nothing.
class LogWriteback {
 public:
  // Called from the writeback's thread, no lock held. OK: the run has ended, durably, and its phase
  // says so.
  using OnFailed = std::function<absl::Status(uint64_t run_id, const absl::Status& why)>;

  LogWriteback(Runtime& runtime, IntentLog& log, BitmapCommitter& committer, Fault& fault,
               OnFailed on_failed);
  ~LogWriteback();  // what waits is written back first
  LogWriteback(const LogWriteback&) = delete;
  LogWriteback& operator=(const LogWriteback&) = delete;

  // T0 content of `span`, which belongs at `offset` of `target`, is durable in `entry`, evidence
  // included, `bytes` long; the caller has counted it in progress.landing. To be called before the
  // bits are set in memory: whoever sees a bit asks here before it reads the target.
  void Enqueue(uint32_t entry, Progress& progress, VolumeFile& target, uint64_t offset,
               uint64_t bytes, ExtentSpan span, std::span<const Digest> digests);

  // Returns when no data of `span` that was enqueued before waits any more: the target's file has
  // it, or the run has ended.
  absl::Status WaitWrittenBack(const Progress& progress, ExtentSpan span);

  // What waits here, sorted.
  std::vector<ExtentSpan> Snapshot(const Progress& progress) const;

 private:
  struct Load {
    uint32_t entry = 0;
    Progress* progress = nullptr;
    VolumeFile* target = nullptr;
    uint64_t offset = 0;
    uint64_t bytes = 0;
    ExtentSpan span;
    std::array<Digest, limits::kMaxExtentsPerCopy> digests;
    size_t digest_count = 0;
  };
  using Batch = std::vector<const Load*>;
  using Failures = std::map<uint64_t, absl::Status>;  // by run

  void Work();
  void WaitUntilDue() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool IsDue() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status WriteBack(Batch batch);
  absl::Status WriteAll(std::span<const Load* const> batch, Failures& failures);
  Bytes Joined(std::span<const Load* const> loads);
  absl::Status SyncTargets(const Batch& batch, const Failures& failures);
  void HandOver(const Batch& batch, const Failures& failures);
  bool IsWaiting(const Progress& progress, ExtentSpan span) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  Runtime& runtime_;
  IntentLog& log_;
  BitmapCommitter& committer_;
  Fault& fault_;
  const OnFailed on_failed_;
  const ResidentMemory joined_;  // of the thread: neighbours become one write

  mutable absl::Mutex mutex_;
  absl::CondVar work_;          // the thread waits here
  absl::CondVar written_back_;  // everybody else waits here
  std::vector<Load> by_entry_ ABSL_GUARDED_BY(mutex_);
  // With room for all entries: nothing is allocated on the way of a host's request.
  Batch queue_ ABSL_GUARDED_BY(mutex_);
  Batch writing_ ABSL_GUARDED_BY(mutex_);
  absl::Duration oldest_ ABSL_GUARDED_BY(mutex_);
  int flush_waiters_ ABSL_GUARDED_BY(mutex_) = 0;  // how many wait for what is here
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status failed_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<Thread> thread_;
};

}  // namespace baton
