// Lands copies: writes the bits of copied extents into the metadata, in batches, one sync each.
#pragma once

#include <absl/status/status.h>

#include <array>
#include <span>
#include <vector>

#include "engine/base/checksum.h"
#include "engine/base/fault.h"
#include "engine/base/limits.h"
#include "engine/base/runtime.h"
#include "engine/clone/batch_thread.h"
#include "engine/clone/copy_progress.h"
#include "engine/clone/extents.h"
#include "engine/clone/intent_log.h"
#include "engine/meta/catalog.h"

namespace baton {

// A copy of `span` that is made and whose bits are not durable yet.
struct Landing {
  // `digests`: none of holes. `log_entry`: the evidence until the bits are durable, if there is
  // one.
  Landing(Progress& run, ExtentSpan extents, std::span<const Digest> digests,
          LogEntry log_entry = {});

  std::span<const Digest> Digests() const { return std::span(digests).first(digest_count); }
  bool IsOf(const Progress& run, ExtentSpan extents) const {
    return progress == &run && span.first < extents.end() && extents.first < span.end();
  }

  Progress* progress;
  ExtentSpan span;
  std::array<Digest, limits::kMaxExtentsPerCopy> digests{};
  size_t digest_count;
  bool is_preserved;  // for a host's write: counted in progress->landing
  LogEntry entry;
};

// One thread. A batch is written when limits::kLandingBatch copies wait, when the oldest has
// waited limits::kLandingDelayMs, or at once when somebody waits for it or entries run short.
// The bits are durable before an entry is given back (O3). After a metadata error everything here
// and the intent log return Aborted; entries whose bits are not durable are kept. Thread-safe; a
// foreground copy allocates nothing.
class BitmapCommitter final : private ShortageListener {
 public:
  BitmapCommitter(Runtime& runtime, Catalog& catalog, IntentLog& log, Fault& fault);
  ~BitmapCommitter() override;  // as Stop
  BitmapCommitter(const BitmapCommitter&) = delete;
  BitmapCommitter& operator=(const BitmapCommitter&) = delete;

  // What is queued is landed first. Nothing is enqueued after it.
  void Stop() { batches_.Stop(); }

  // The copy is durable in the target, and its evidence in the landing's entry; the caller has
  // counted it in progress.landing. To be called before the bits are set in memory, so that whoever
  // sees a bit can wait for its landing.
  void Enqueue(Landing&& landing);

  // Somebody else has met a fault: from now on everything here returns `aborted`.
  void GiveUp(const absl::Status& aborted);

  // Records a copy without an entry, whose data is durable; returns when the bits are durable, or
  // when they are in no commit that is under way and will be in none.
  absl::Status Land(Landing&& landing);
  // As Land, all of them; `landings` is not empty.
  absl::Status LandAll(std::span<Landing> landings);

  // Returns when the bits of all copies of `span` that were enqueued before are durable.
  absl::Status WaitLanded(const Progress& progress, ExtentSpan span);

  // What was enqueued and is not durable, sorted.
  std::vector<ExtentSpan> Snapshot(const Progress& progress) const;

 private:
  void OnShortage() override { batches_.BeginHurry(); }
  void OnShortageOver() override { batches_.EndHurry(); }
  absl::Status Work(std::span<Landing> batch);
  absl::Status Commit(std::span<const Landing> batch);
  void Finish(std::span<Landing> batch);

  Catalog& catalog_;
  IntentLog& log_;
  Fault& fault_;
  BatchThread<Landing> batches_;
};

}  // namespace baton
