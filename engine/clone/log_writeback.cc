#include "engine/clone/log_writeback.h"

#include <algorithm>
#include <set>
#include <utility>

#include "engine/base/mutant.h"
#include "engine/base/status.h"
#include "engine/clone/retry.h"

namespace baton {
namespace {

// How many of `loads`, from the first one on, are neighbours in one target and fit one write.
template <typename Loads>
size_t CountNeighbours(const Loads& loads, uint64_t most_bytes) {
  uint64_t bytes = loads.front()->bytes;
  size_t count = 1;
  for (; count < loads.size(); ++count) {
    const auto& load = *loads[count];
    if (load.progress != loads.front()->progress || load.offset != loads.front()->offset + bytes ||
        bytes + load.bytes > most_bytes) {
      break;
    }
    bytes += load.bytes;
  }
  return count;
}

}  // namespace

LogWriteback::LogWriteback(Runtime& runtime, IntentLog& log, BitmapCommitter& committer,
                           Fault& fault, OnFailed on_failed)
    : runtime_(runtime),
      log_(log),
      committer_(committer),
      fault_(fault),
      on_failed_(std::move(on_failed)),
      joined_(limits::kMaxCopyBytes),
      by_entry_(log.shape().entries) {
  queue_.reserve(by_entry_.size());
  writing_.reserve(by_entry_.size());
  thread_ = runtime_.StartThread("writeback", [this] { Work(); });
}

LogWriteback::~LogWriteback() {
  {
    absl::MutexLock guard(&mutex_);
    stopping_ = true;
    work_.Signal();
  }
  thread_.reset();
}

void LogWriteback::Enqueue(uint32_t entry, Progress& progress, VolumeFile& target, uint64_t offset,
                           uint64_t bytes, ExtentSpan span, std::span<const Digest> digests) {
  absl::MutexLock guard(&mutex_);
  Load& load = by_entry_[entry];
  load.entry = entry;
  load.progress = &progress;
  load.target = &target;
  load.offset = offset;
  load.bytes = bytes;
  load.span = span;
  std::copy(digests.begin(), digests.end(), load.digests.begin());
  load.digest_count = digests.size();
  progress.in_ring += span.count;
  if (queue_.empty()) oldest_ = runtime_.BootTime();
  queue_.push_back(&load);
  if (queue_.size() == 1 || queue_.size() == limits::kWritebackBatch) work_.Signal();
}

absl::Status LogWriteback::WaitWrittenBack(const Progress& progress, ExtentSpan span) {
  if (progress.in_ring == 0) return absl::OkStatus();
  absl::MutexLock guard(&mutex_);
  if (!IsWaiting(progress, span)) return absl::OkStatus();
  ++flush_waiters_;
  work_.Signal();
  while (failed_.ok() && IsWaiting(progress, span)) runtime_.Wait(written_back_, mutex_);
  --flush_waiters_;
  return failed_;
}

std::vector<ExtentSpan> LogWriteback::Snapshot(const Progress& progress) const {
  absl::MutexLock guard(&mutex_);
  std::vector<ExtentSpan> spans;
  for (const Batch* batch : {&queue_, &writing_}) {
    for (const Load* load : *batch) {
      if (load->progress == &progress) spans.push_back(load->span);
    }
  }
  std::sort(spans.begin(), spans.end(),
            [](ExtentSpan a, ExtentSpan b) { return a.first < b.first; });
  return spans;
}

void LogWriteback::Work() {
  while (true) {
    Batch batch;
    {
      absl::MutexLock guard(&mutex_);
      WaitUntilDue();
      if (queue_.empty()) return;
      std::swap(writing_, queue_);
      batch = writing_;
    }
    const absl::Status status = WriteBack(std::move(batch));
    if (status.ok()) continue;
    const absl::Status aborted = fault_.Report(status);
    committer_.GiveUp(aborted);
    absl::MutexLock guard(&mutex_);
    failed_ = aborted;
    written_back_.SignalAll();
    return;
  }
}

bool LogWriteback::IsDue() const {
  return stopping_ ||
         (!queue_.empty() && (flush_waiters_ > 0 || queue_.size() >= limits::kWritebackBatch));
}

void LogWriteback::WaitUntilDue() {
  while (!IsDue()) {
    if (queue_.empty()) {
      runtime_.Wait(work_, mutex_);
      continue;
    }
    const absl::Duration deadline = oldest_ + absl::Milliseconds(limits::kWritebackDelayMs);
    if (runtime_.BootTime() >= deadline) return;
    runtime_.WaitUntil(work_, mutex_, deadline);
  }
}

absl::Status LogWriteback::WriteBack(Batch batch) {
  std::sort(batch.begin(), batch.end(), [](const Load* a, const Load* b) {
    return std::pair(a->target, a->offset) < std::pair(b->target, b->offset);
  });
  Failures failures;
  BATON_RETURN_IF_ERROR(WriteAll(batch, failures));
  BATON_RETURN_IF_ERROR(SyncTargets(batch, failures));
  if (BATON_MUTANT(kEntryFreedBeforeFailure)) HandOver(batch, failures);
  // Durable before their entries can be used again: after a crash their extents must not be taken
  // for pending ones.
  for (const auto& [run_id, why] : failures) BATON_RETURN_IF_ERROR(on_failed_(run_id, why));
  if (!BATON_MUTANT(kEntryFreedBeforeFailure)) HandOver(batch, failures);
  return absl::OkStatus();
}

absl::Status LogWriteback::WriteAll(std::span<const Load* const> batch, Failures& failures) {
  while (!batch.empty()) {
    BATON_RETURN_IF_ERROR(fault_.Check());
    const Load& first = *batch.front();
    const size_t count = CountNeighbours(batch, limits::kMaxCopyBytes);
    const std::span<const Load* const> neighbours = batch.first(count);
    batch = batch.subspan(count);
    if (failures.contains(first.progress->run_id)) continue;
    const Bytes data = Joined(neighbours);
    const absl::Status status =
        Repeated(runtime_, [&] { return first.target->Write(first.offset, data); });
    if (absl::IsAborted(status)) return status;
    if (!status.ok()) failures.emplace(first.progress->run_id, status);
  }
  return absl::OkStatus();
}

// A copy in memory costs less than a write of its own.
Bytes LogWriteback::Joined(std::span<const Load* const> loads) {
  if (loads.size() == 1) return log_.Data(loads.front()->entry).first(loads.front()->bytes);
  size_t length = 0;
  for (const Load* load : loads) {
    const Bytes data = log_.Data(load->entry).first(load->bytes);
    std::copy(data.begin(), data.end(), joined_.data() + length);
    length += data.size();
  }
  return {joined_.data(), length};
}

absl::Status LogWriteback::SyncTargets(const Batch& batch, const Failures& failures) {
  std::set<VolumeFile*> targets;
  for (const Load* load : batch) {
    if (!failures.contains(load->progress->run_id)) targets.insert(load->target);
  }
  if (BATON_MUTANT(kWritebackSkipsTargetSync)) return absl::OkStatus();
  for (VolumeFile* target : targets) BATON_RETURN_IF_ERROR(target->Flush());
  return absl::OkStatus();
}

// To the committer first: whoever does not find a copy here any more finds it there.
void LogWriteback::HandOver(const Batch& batch, const Failures& failures) {
  absl::MutexLock guard(&mutex_);
  for (const Load* load : batch) {
    if (failures.contains(load->progress->run_id)) {
      load->progress->landing -= load->span.count;
      committer_.Abandon(load->entry);
    } else {
      committer_.Enqueue(*load->progress, load->span,
                         std::span(load->digests).first(load->digest_count), load->entry);
    }
    load->progress->in_ring -= load->span.count;
  }
  writing_.clear();
  written_back_.SignalAll();
}

bool LogWriteback::IsWaiting(const Progress& progress, ExtentSpan span) const {
  const auto overlaps = [&](const Load* load) {
    return load->progress == &progress && load->span.first < span.end() &&
           span.first < load->span.end();
  };
  return std::any_of(queue_.begin(), queue_.end(), overlaps) ||
         std::any_of(writing_.begin(), writing_.end(), overlaps);
}

}  // namespace baton
