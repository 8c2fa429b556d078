// Carries preserved data from the intent log to the targets, in batches, one sync of a target each.
#pragma once

#include <absl/status/status.h>

#include <functional>
#include <map>
#include <span>
#include <vector>

#include "engine/base/fault.h"
#include "engine/base/resident_memory.h"
#include "engine/base/runtime.h"
#include "engine/clone/batch_thread.h"
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

  LogWriteback(Runtime& runtime, const IntentLog& log, BitmapCommitter& committer, Fault& fault,
               OnFailed on_failed);
  LogWriteback(const LogWriteback&) = delete;
  LogWriteback& operator=(const LogWriteback&) = delete;

  // What waits is written back first, as in the destructor. Nothing is enqueued after it.
  void Stop() { batches_.Stop(); }

  // T0 content of the landing's extents, which belongs at `offset` of `target`, is durable in its
  // entry, evidence included, `bytes` long; the caller has counted it in progress.landing. To be
  // called before the bits are set in memory: whoever sees a bit asks here before it reads the
  // target.
  void Enqueue(Landing&& landing, VolumeFile& target, uint64_t offset, uint64_t bytes);

  // Returns when no data of `span` that was enqueued before waits any more: the target's file has
  // it, or the run has ended.
  absl::Status WaitWrittenBack(const Progress& progress, ExtentSpan span);

  // What waits here, sorted.
  std::vector<ExtentSpan> Snapshot(const Progress& progress) const;

 private:
  struct Load {
    Landing landing;
    VolumeFile* target = nullptr;
    uint64_t offset = 0;
    uint64_t bytes = 0;

    const Progress* progress() const { return landing.progress; }
    uint64_t run_id() const { return landing.progress->run_id; }
    Bytes Data() const { return landing.entry.Data().first(bytes); }
  };
  using Order = std::vector<const Load*>;
  using Failures = std::map<uint64_t, absl::Status>;  // by run

  absl::Status Work(std::span<Load> batch);
  absl::Status WriteBack(std::span<Load> batch);
  absl::Status WriteAll(std::span<const Load* const> batch, Failures& failures);
  Bytes Joined(std::span<const Load* const> loads);
  absl::Status SyncTargets(std::span<const Load> batch, const Failures& failures);
  void HandOver(std::span<Load> batch, const Failures& failures);

  Runtime& runtime_;
  BitmapCommitter& committer_;
  Fault& fault_;
  const OnFailed on_failed_;
  const ResidentMemory joined_;  // of the thread: neighbours become one write
  BatchThread<Load> batches_;
};

}  // namespace baton
