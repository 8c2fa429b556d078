#include "engine/clone/bitmap_committer.h"

#include <algorithm>
#include <set>

#include "engine/base/limits.h"
#include "engine/base/mutant.h"

namespace baton {

BitmapCommitter::BitmapCommitter(Runtime& runtime, Catalog& catalog, IntentLog& log, Fault& fault)
    : runtime_(runtime),
      catalog_(catalog),
      log_(log),
      fault_(fault),
      by_entry_(log.shape().entries) {
  thread_ = runtime_.StartThread("committer", [this] { Work(); });
}

BitmapCommitter::~BitmapCommitter() {
  {
    absl::MutexLock guard(&mutex_);
    stopping_ = true;
    work_.Signal();
  }
  thread_.reset();
}

absl::StatusOr<uint32_t> BitmapCommitter::AcquireEntry() {
  absl::MutexLock guard(&mutex_);
  while (failed_.ok()) {
    if (std::optional<uint32_t> entry = log_.TryAcquire()) return *entry;
    ++flush_waiters_;
    work_.Signal();
    runtime_.Wait(landed_, mutex_);
    --flush_waiters_;
  }
  return failed_;
}

void BitmapCommitter::Abandon(uint32_t entry) {
  absl::MutexLock guard(&mutex_);
  log_.Release(entry);
  landed_.SignalAll();
}

void BitmapCommitter::Enqueue(Progress& progress, ExtentSpan span, std::span<const Digest> digests,
                              uint32_t entry) {
  Landing& landing = by_entry_[entry];
  landing.progress = &progress;
  landing.span = span;
  std::copy(digests.begin(), digests.end(), landing.digests.begin());
  landing.digest_count = digests.size();
  landing.entry = entry;
  absl::MutexLock guard(&mutex_);
  if (failed_.ok()) Append(landing);
}

void BitmapCommitter::GiveUp(const absl::Status& aborted) {
  absl::MutexLock guard(&mutex_);
  Drop(aborted);
}

// The Landings of those who wait in Land are on their stacks: who sees failed_ goes away, so they
// are taken out of the queue; those of a commit under way stay until it is over.
void BitmapCommitter::Drop(const absl::Status& aborted) {
  failed_.Update(aborted);
  queue_ = queue_tail_ = nullptr;
  queued_ = 0;
  landed_.SignalAll();
}

absl::Status BitmapCommitter::Land(Progress& progress, ExtentSpan span,
                                   std::span<const Digest> digests) {
  Landing landing;
  landing.progress = &progress;
  landing.span = span;
  std::copy(digests.begin(), digests.end(), landing.digests.begin());
  landing.digest_count = digests.size();
  absl::MutexLock guard(&mutex_);
  if (!failed_.ok()) return failed_;
  Append(landing);
  ++flush_waiters_;
  work_.Signal();
  while (!landing.done && (failed_.ok() || landing.committing)) runtime_.Wait(landed_, mutex_);
  --flush_waiters_;
  return landing.done ? absl::OkStatus() : failed_;
}

absl::Status BitmapCommitter::WaitLanded(const Progress& progress, ExtentSpan span) {
  if (progress.landing == 0) return absl::OkStatus();
  absl::MutexLock guard(&mutex_);
  ++flush_waiters_;
  work_.Signal();
  while (failed_.ok() && IsLanding(progress, span)) runtime_.Wait(landed_, mutex_);
  --flush_waiters_;
  return failed_;
}

std::vector<ExtentSpan> BitmapCommitter::Snapshot(const Progress& progress) const {
  absl::MutexLock guard(&mutex_);
  std::vector<ExtentSpan> spans;
  ForEach([&](const Landing& landing) {
    if (landing.progress == &progress && landing.entry) spans.push_back(landing.span);
  });
  std::sort(spans.begin(), spans.end(),
            [](ExtentSpan a, ExtentSpan b) { return a.first < b.first; });
  return spans;
}

void BitmapCommitter::Work() {
  while (true) {
    Landing* batch = nullptr;
    {
      absl::MutexLock guard(&mutex_);
      WaitUntilDue();
      if (queue_ == nullptr || !failed_.ok()) return;
      batch = TakeQueue();
    }
    const absl::Status status = Commit(batch);
    if (status.ok()) {
      Finish(batch);
      continue;
    }
    const absl::Status aborted = fault_.Report(status);
    absl::MutexLock guard(&mutex_);
    for (Landing* landing = batch; landing != nullptr; landing = landing->next) {
      landing->committing = false;
    }
    committing_ = nullptr;
    Drop(aborted);
    return;
  }
}

BitmapCommitter::Landing* BitmapCommitter::TakeQueue() {
  committing_ = std::exchange(queue_, nullptr);
  queue_tail_ = nullptr;
  queued_ = 0;
  for (Landing* landing = committing_; landing != nullptr; landing = landing->next) {
    landing->committing = true;
  }
  return committing_;
}

void BitmapCommitter::Append(Landing& landing) {
  landing.done = landing.committing = false;
  landing.next = nullptr;
  if (queue_ == nullptr) oldest_ = runtime_.BootTime();
  (queue_ == nullptr ? queue_ : queue_tail_->next) = &landing;
  queue_tail_ = &landing;
  ++queued_;
  if (queued_ == 1 || queued_ == limits::kLandingBatch) work_.Signal();
}

bool BitmapCommitter::IsDue() const {
  return stopping_ ||
         (queue_ != nullptr && (flush_waiters_ > 0 || queued_ >= limits::kLandingBatch));
}

void BitmapCommitter::WaitUntilDue() {
  while (!IsDue()) {
    if (queue_ == nullptr) {
      runtime_.Wait(work_, mutex_);
      continue;
    }
    const absl::Duration deadline = oldest_ + absl::Milliseconds(limits::kLandingDelayMs);
    if (runtime_.BootTime() >= deadline) return;
    runtime_.WaitUntil(work_, mutex_, deadline);
  }
}

absl::Status BitmapCommitter::Commit(const Landing* batch) {
  MetaBatch meta;
  std::set<const Progress*> runs;
  for (const Landing* landing = batch; landing != nullptr; landing = landing->next) {
    const Progress& progress = *landing->progress;
    catalog_.MarkCopied(meta, progress.run_id, landing->span.first, landing->span.count);
    if (progress.keeps_digests && landing->digest_count > 0) {
      catalog_.PutDigests(meta, progress.run_id, landing->span.first,
                          std::span(landing->digests).first(landing->digest_count));
    }
    if (runs.insert(&progress).second) {
      catalog_.PutCopies(meta, progress.run_id, progress.copies);
    }
  }
  const Durable durable = BATON_MUTANT(kSlotFreedBeforeBit) ? Durable::kNo : Durable::kYes;
  return catalog_.Commit(std::move(meta), durable);
}

void BitmapCommitter::Finish(Landing* batch) {
  absl::MutexLock guard(&mutex_);
  for (Landing *landing = batch, *next; landing != nullptr; landing = next) {
    next = landing->next;  // a waiter's Landing is gone once it is done
    landing->progress->recorded += landing->span.count;
    if (landing->entry) {
      landing->progress->landing -= landing->span.count;
      log_.Release(*landing->entry);
    }
    landing->committing = false;
    landing->done = true;
  }
  committing_ = nullptr;
  landed_.SignalAll();
}

template <typename Visit>
void BitmapCommitter::ForEach(Visit visit) const {
  for (const Landing* landing = committing_; landing != nullptr; landing = landing->next) {
    visit(*landing);
  }
  for (const Landing* landing = queue_; landing != nullptr; landing = landing->next) {
    visit(*landing);
  }
}

bool BitmapCommitter::IsLanding(const Progress& progress, ExtentSpan span) const {
  bool found = false;
  ForEach([&](const Landing& landing) {
    found = found || (landing.progress == &progress && landing.span.first < span.end() &&
                      span.first < landing.span.end());
  });
  return found;
}

}  // namespace baton
