#include "engine/clone/bitmap_committer.h"

#include <algorithm>
#include <set>
#include <utility>

#include "engine/base/mutant.h"

namespace baton {

Landing::Landing(Progress& run, ExtentSpan extents, std::span<const Digest> its_digests,
                 LogEntry log_entry)
    : progress(&run),
      span(extents),
      digest_count(its_digests.size()),
      is_preserved(!log_entry.is_none()),
      entry(std::move(log_entry)) {
  std::copy(its_digests.begin(), its_digests.end(), digests.begin());
}

// Besides the copies that have entries, those of the copier and holes wait here: there is room for
// more of them than there are threads.
BitmapCommitter::BitmapCommitter(Runtime& runtime, Catalog& catalog, IntentLog& log, Fault& fault)
    : catalog_(catalog),
      log_(log),
      fault_(fault),
      batches_(runtime,
               {.name = "committer",
                .items = limits::kLandingBatch,
                .delay = absl::Milliseconds(limits::kLandingDelayMs),
                .room = 2 * log.shape().entries},
               [this](std::span<Landing> batch) { return Work(batch); }) {
  log_.SetListener(this);
}

BitmapCommitter::~BitmapCommitter() {
  Stop();
  log_.SetListener(nullptr);
}

void BitmapCommitter::Enqueue(Landing&& landing) { batches_.Add(std::move(landing)); }

void BitmapCommitter::GiveUp(const absl::Status& aborted) {
  log_.Close(aborted);
  batches_.Fail(aborted);
}

absl::Status BitmapCommitter::Land(Landing&& landing) {
  return batches_.AddAndWait(std::move(landing));
}

// They are worked on in order: with the last one all are done.
absl::Status BitmapCommitter::LandAll(std::span<Landing> landings) {
  for (Landing& landing : landings.first(landings.size() - 1)) batches_.Add(std::move(landing));
  return Land(std::move(landings.back()));
}

absl::Status BitmapCommitter::WaitLanded(const Progress& progress, ExtentSpan span) {
  if (progress.landing == 0) return absl::OkStatus();
  return batches_.WaitNone([&](const Landing& landing) { return landing.IsOf(progress, span); });
}

std::vector<ExtentSpan> BitmapCommitter::Snapshot(const Progress& progress) const {
  std::vector<ExtentSpan> spans;
  batches_.ForEach([&](const Landing& landing) {
    if (landing.progress == &progress && landing.is_preserved) spans.push_back(landing.span);
  });
  std::sort(spans.begin(), spans.end(),
            [](ExtentSpan a, ExtentSpan b) { return a.first < b.first; });
  return spans;
}

absl::Status BitmapCommitter::Work(std::span<Landing> batch) {
  const absl::Status status = Commit(batch);
  if (!status.ok()) {
    const absl::Status aborted = fault_.Report(status);
    log_.Close(aborted);
    return aborted;
  }
  Finish(batch);
  return absl::OkStatus();
}

absl::Status BitmapCommitter::Commit(std::span<const Landing> batch) {
  MetaBatch meta;
  std::set<const Progress*> runs;
  for (const Landing& landing : batch) {
    const Progress& progress = *landing.progress;
    catalog_.MarkCopied(meta, progress.run_id, landing.span.first, landing.span.count);
    if (progress.keeps_digests && landing.digest_count > 0) {
      catalog_.PutDigests(meta, progress.run_id, landing.span.first, landing.Digests());
    }
    if (runs.insert(&progress).second) {
      catalog_.PutCopies(meta, progress.run_id, progress.copies);
    }
  }
  const Durable durable = BATON_MUTANT(kSlotFreedBeforeBit) ? Durable::kNo : Durable::kYes;
  return catalog_.Commit(std::move(meta), durable);
}

// A run may be gone as soon as nothing of it is landing: it is not looked at after that.
void BitmapCommitter::Finish(std::span<Landing> batch) {
  for (Landing& landing : batch) {
    landing.progress->recorded += landing.span.count;
    if (landing.is_preserved) landing.progress->landing -= landing.span.count;
    landing.entry.GiveBack();
  }
}

}  // namespace baton
