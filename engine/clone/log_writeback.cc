#include "engine/clone/log_writeback.h"

#include <algorithm>
#include <set>
#include <utility>

#include "engine/base/mutant.h"
#include "engine/base/status.h"
#include "engine/base/retry.h"

namespace baton {
namespace {

// How many of `loads`, from the first one on, are neighbours in one target and fit one write.
template <typename Loads>
size_t CountNeighbours(const Loads& loads, uint64_t most_bytes) {
  uint64_t bytes = loads.front()->bytes;
  size_t count = 1;
  for (; count < loads.size(); ++count) {
    const auto& load = *loads[count];
    if (load.progress() != loads.front()->progress() ||
        load.offset != loads.front()->offset + bytes || bytes + load.bytes > most_bytes) {
      break;
    }
    bytes += load.bytes;
  }
  return count;
}

}  // namespace

LogWriteback::LogWriteback(Runtime& runtime, const IntentLog& log, BitmapCommitter& committer,
                           Fault& fault, OnFailed on_failed)
    : runtime_(runtime),
      committer_(committer),
      fault_(fault),
      on_failed_(std::move(on_failed)),
      joined_(limits::kMaxCopyBytes),
      batches_(runtime,
               {.name = "writeback",
                .items = limits::kWritebackBatch,
                .delay = absl::Milliseconds(limits::kWritebackDelayMs),
                .room = log.shape().entries},
               [this](std::span<Load> batch) { return Work(batch); }) {}

void LogWriteback::Enqueue(Landing&& landing, VolumeFile& target, uint64_t offset, uint64_t bytes) {
  landing.progress->in_log += landing.span.count;
  batches_.Add({std::move(landing), &target, offset, bytes});
}

absl::Status LogWriteback::WaitWrittenBack(const Progress& progress, ExtentSpan span) {
  if (progress.in_log == 0) return absl::OkStatus();
  return batches_.WaitNone([&](const Load& load) { return load.landing.IsOf(progress, span); });
}

std::vector<ExtentSpan> LogWriteback::Snapshot(const Progress& progress) const {
  std::vector<ExtentSpan> spans;
  batches_.ForEach([&](const Load& load) {
    if (load.progress() == &progress) spans.push_back(load.landing.span);
  });
  std::sort(spans.begin(), spans.end(),
            [](ExtentSpan a, ExtentSpan b) { return a.first < b.first; });
  return spans;
}

absl::Status LogWriteback::Work(std::span<Load> batch) {
  const absl::Status status = WriteBack(batch);
  if (status.ok()) return status;
  const absl::Status aborted = fault_.Report(status);
  committer_.GiveUp(aborted);
  return aborted;
}

absl::Status LogWriteback::WriteBack(std::span<Load> batch) {
  Order order;
  for (const Load& load : batch) order.push_back(&load);
  std::sort(order.begin(), order.end(), [](const Load* a, const Load* b) {
    return std::pair(a->target, a->offset) < std::pair(b->target, b->offset);
  });
  Failures failures;
  BATON_RETURN_IF_ERROR(WriteAll(order, failures));
  BATON_RETURN_IF_ERROR(SyncTargets(batch, failures));
  if (BATON_MUTANT(kEntryFreedBeforeFailure)) {
    HandOver(batch, failures);
    if (!failures.empty()) Rest(runtime_, absl::Milliseconds(20));  // for whoever finds an entry
  }
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
    if (failures.contains(first.run_id())) continue;
    const Bytes data = Joined(neighbours);
    const absl::Status status =
        Repeated(runtime_, [&] { return first.target->Write(first.offset, data); });
    if (absl::IsAborted(status)) return status;
    if (!status.ok()) failures.emplace(first.run_id(), status);
  }
  return absl::OkStatus();
}

// A copy in memory costs less than a write of its own.
Bytes LogWriteback::Joined(std::span<const Load* const> loads) {
  if (loads.size() == 1) return loads.front()->Data();
  size_t length = 0;
  for (const Load* load : loads) {
    const Bytes data = load->Data();
    std::copy(data.begin(), data.end(), joined_.data() + length);
    length += data.size();
  }
  return {joined_.data(), length};
}

absl::Status LogWriteback::SyncTargets(std::span<const Load> batch, const Failures& failures) {
  std::set<VolumeFile*> targets;
  for (const Load& load : batch) {
    if (!failures.contains(load.run_id())) targets.insert(load.target);
  }
  if (BATON_MUTANT(kWritebackSkipsTargetSync)) return absl::OkStatus();
  for (VolumeFile* target : targets) BATON_RETURN_IF_ERROR(target->Flush());
  return absl::OkStatus();
}

// Before the batch goes away here: whoever does not find a copy here any more finds it at the
// committer. What is left of a load is for those who look for it meanwhile.
void LogWriteback::HandOver(std::span<Load> batch, const Failures& failures) {
  for (Load& load : batch) {
    Progress& progress = *load.landing.progress;
    const uint64_t count = load.landing.span.count;
    if (failures.contains(progress.run_id)) {
      progress.landing -= count;
      load.landing.entry.GiveBack();
    } else {
      committer_.Enqueue(std::move(load.landing));
    }
    progress.in_log -= count;
  }
}

}  // namespace baton
