// One run of a clone, from activation to its end: which extents are copied, and how one is.
#pragma once

#include <absl/functional/function_ref.h>
#include <absl/status/status.h>

#include <atomic>
#include <functional>
#include <memory>

#include "engine/base/buffer_pool.h"
#include "engine/base/fence.h"
#include "engine/base/runtime.h"
#include "engine/base/storage.h"
#include "engine/clone/bitmap.h"
#include "engine/clone/bitmap_committer.h"
#include "engine/clone/copy_progress.h"
#include "engine/clone/digester.h"
#include "engine/clone/extent_locks.h"
#include "engine/clone/extents.h"
#include "engine/clone/log_writeback.h"
#include "engine/volume/volume.h"

namespace baton {

// What all runs of a pool share.
struct CopyServices {
  Runtime& runtime;
  Storage& storage;
  const Fence& fence;
  Fault& fault;
  Catalog& catalog;
  IntentLog& log;
  BitmapCommitter& committer;
  LogWriteback& writeback;
  BufferPool& buffers;  // one is held for one copy that does not go into the intent log
};

// The state of an extent: pending -> copying (locked) -> landing (only an intent slot stands for
// it) -> copied (its bit is durable). The bit in memory is set from landing on: from then on the
// source may be overwritten, and the intent log or the target holds the extent.
//
// Thread-safe. The data path (Preserve) allocates nothing and holds no lock over I/O.
class CloneRun {
 public:
  enum class Phase {
    kWaiting,  // before T0: the target is offline, writes to the source pass
    kActive,   // from T0 on: what is overwritten is preserved first
    kOver,     // stopped or failed: the target is offline, writes to the source pass
  };

  struct Options {
    uint64_t run_id = 0;
    bool keeps_digests = true;
    // A copy that cannot be made fails the write that needs it, not the clone: nothing may be left
    // to be found out after the write's answer, so nothing goes through the intent log.
    bool fails_writes = false;
    Geometry geometry;
  };
  CloneRun(const CopyServices& services, const Options& options, std::shared_ptr<Volume> source,
           std::shared_ptr<Volume> target);

  Phase phase() const { return phase_.load(std::memory_order_acquire); }
  // The caller has made the state that it stands for durable before.
  void SetPhase(Phase phase) { phase_.store(phase, std::memory_order_release); }

  // ---- host I/O ----

  // Copy-before-write: on OK the T0 content of `wanted` is safe in the intent log or in the target,
  // evidence included (O1), or the run is no longer active. Aborted: the controller cannot go on.
  // Other errors: the copy failed, the extents are still pending and must not be overwritten.
  absl::Status Preserve(ExtentSpan wanted);
  // As Preserve, but in the target, and the bits are durable (O4).
  absl::Status PreserveAndLand(ExtentSpan wanted);
  // FailedPrecondition while the target is offline: always but when the run is active.
  absl::Status CheckReadable() const;
  // T0 content of the target while the run is active; `target` is what stands behind the plugin.
  absl::Status ReadTarget(VolumeIo& target, uint64_t offset, MutableBytes out);

  // Something of the range is to be preserved before it is overwritten.
  bool IsPending(uint64_t offset, uint64_t length_bytes) const {
    return phase() == Phase::kActive && !copied_.AllSet(geometry_.Touching(offset, length_bytes));
  }
  // Options::fails_writes.
  bool fails_writes() const { return fails_writes_; }

  // ---- background ----

  // What is pending of `spans`, which are in order and apart, is in the target when it returns OK,
  // and its bits are durable; or the run is not active any more. Errors as of Preserve. `go_on` is
  // asked before each step of at most `extents_per_step`; its error ends it.
  absl::Status CopyAll(std::span<const ExtentSpan> spans, uint64_t extents_per_step,
                       MutableBytes buffer, absl::FunctionRef<absl::Status()> go_on);

  enum class Step { kCopied, kBusy, kDone };
  // What a step was about, also when it failed; and how many bytes it copied.
  struct Attempt {
    ExtentSpan span;
    uint64_t bytes = 0;
  };
  // Copies, or records as holes, the next run of pending extents: at most `max_bytes`, one extent
  // at least. kBusy: all that is left is locked by others or the limit is reached; kDone:
  // nothing is pending. What does not fit `buffer` is copied in pieces.
  absl::StatusOr<Step> CopyNext(uint64_t max_bytes, MutableBytes buffer, Attempt& attempt);

  // Returns when no copy is in flight and none is landing. The phase is not kActive any more, or
  // nothing is pending.
  absl::Status Drain();

  const Geometry& geometry() const { return geometry_; }
  const Bitmap& copied() const { return copied_; }
  const ExtentLocks& locks() const { return locks_; }
  const Progress& progress() const { return progress_; }
  const PaceReport& pace_report() const { return pace_report_; }
  PaceReport& pace_report() { return pace_report_; }
  const std::shared_ptr<Volume>& source() const { return source_; }
  const std::shared_ptr<Volume>& target() const { return target_; }

  // Recovery: `span` is recorded in the metadata already.
  void Restore(ExtentSpan span);
  // Recovery: as many were counted. Those that are restored were begun, too.
  void RestoreCopies(uint64_t copies);

 private:
  using WritePiece = absl::FunctionRef<absl::Status(uint64_t offset, Bytes piece, bool is_last)>;

  // The copy primitive: reads the T0 content of `span` once, in pieces that fit `buffer`, digests
  // it and hands each piece to `write`. REQUIRES: `span` is locked.
  absl::Status CopyPieces(ExtentSpan span, MutableBytes buffer, Digester& digester,
                          WritePiece write);
  enum class Way { kLog, kTarget };  // of a copy for a host; the intent log takes only what fits
  absl::Status PreserveBy(Way way, ExtentSpan wanted);
  absl::Status RecordLongHoles(ExtentSpan wanted, uint64_t least);
  absl::Status CopyDurably(Way way, ExtentSpan span);
  enum class Place { kLog, kTarget };  // where the T0 content is
  absl::StatusOr<Place> CopyToLog(ExtentSpan span, const LogEntry& entry, Digester& digester);
  absl::StatusOr<Place> CopyToTarget(ExtentSpan span, const LogEntry& entry, Digester& digester);
  absl::Status WriteSlot(const LogEntry& entry, IntentSlot& slot);
  absl::Status WriteBoth(uint64_t offset, Bytes piece, const LogEntry& entry, IntentSlot& slot);
  IntentSlot SlotOf(ExtentSpan span, const Digester& digester) const;
  class CopyStep;
  absl::StatusOr<bool> CopyToTargetCached(ExtentSpan span, MutableBytes buffer, Digester& digester);
  absl::Status CopyInBackground(ExtentSpan span, MutableBytes buffer);
  absl::Status RecordHoles(ExtentSpan span);

  struct Candidate {
    ExtentSpan span;
    bool is_hole = false;
  };
  absl::StatusOr<Candidate> Classify(uint64_t first, uint64_t max_bytes) const;
  uint64_t FirstPending();

  absl::Status ReadCopied(VolumeIo& target, uint64_t offset, MutableBytes out);
  absl::Status ReadPending(VolumeIo& target, uint64_t offset, MutableBytes out);
  absl::Status WaitLanded(ExtentSpan span);

  const CopyServices services_;
  const Geometry geometry_;
  const bool fails_writes_;
  const std::shared_ptr<Volume> source_;
  const std::shared_ptr<Volume> target_;
  std::atomic<Phase> phase_{Phase::kWaiting};
  Bitmap copied_;
  std::atomic<uint64_t> first_pending_{0};  // a hint: everything before it is copied
  ExtentLocks locks_;
  Progress progress_;
  PaceReport pace_report_;
};

}  // namespace baton
