#include "engine/clone/slot_recovery.h"

#include <algorithm>
#include <utility>

#include "engine/base/mutant.h"
#include "engine/base/status.h"
#include "engine/clone/digester.h"
#include "engine/base/retry.h"

namespace baton {

SlotRecovery::SlotRecovery(Runtime& runtime, IntentLog& log, Catalog& catalog, MutableBytes buffer)
    : runtime_(runtime), log_(log), catalog_(catalog), buffer_(buffer) {}

void SlotRecovery::AddRun(std::shared_ptr<CloneRun> run) {
  const uint64_t id = run->progress().run_id;
  runs_[id] = std::move(run);
}

absl::Status SlotRecovery::Run(MetaBatch& batch) {
  BATON_RETURN_IF_ERROR(ReadSlots());
  std::map<uint64_t, std::shared_ptr<Volume>> targets;
  for (const Candidate& candidate : candidates_) {
    BATON_ASSIGN_OR_RETURN(const bool restored, Settle(candidate, batch));
    if (restored) targets[candidate.run->target()->id] = candidate.run->target();
  }
  // What was found may be in a cache only: a bit may not outlive its data.
  for (const auto& [id, target] : targets) {
    if (!BATON_MUTANT(kRecoverySkipsTargetSync)) BATON_RETURN_IF_ERROR(target->file->Flush());
  }
  return absl::OkStatus();
}

absl::Status SlotRecovery::ReadSlots() {
  const auto visit = [&](uint64_t entry, const IntentSlot& slot) -> absl::Status {
    BATON_RETURN_IF_ERROR(CheckNotNewer(slot));
    AddCandidates(entry, slot);
    return absl::OkStatus();
  };
  const auto unreadable = [&](uint64_t, const absl::Status& why) {
    FailUnfinished(why);
    return absl::OkStatus();
  };
  return log_.ForEach(visit, unreadable);
}

// It may have been the only evidence for an extent of any of them.
void SlotRecovery::FailUnfinished(const absl::Status& why) {
  for (const auto& [id, run] : runs_) {
    if (run->copied().count() < run->geometry().extents()) failures_.emplace(id, why);
  }
}

absl::StatusOr<bool> SlotRecovery::Settle(const Candidate& candidate, MetaBatch& batch) {
  const CloneRun& run = *candidate.run;
  const uint64_t id = run.progress().run_id;
  if (run.copied().Test(candidate.extent)) return false;  // another slot was enough
  if (failures_.contains(id)) return false;
  absl::StatusOr<bool> proven = false;
  const absl::Status status = Repeated(runtime_, [&] {
    proven = IsProven(candidate);
    return proven.status();
  });
  if (absl::IsAborted(status)) return status;
  if (!status.ok()) failures_.emplace(id, status);
  if (!status.ok() || !*proven) return false;
  Restore(candidate, batch);
  return true;
}

absl::Status SlotRecovery::CheckNotNewer(const IntentSlot& slot) const {
  if (slot.epoch <= catalog_.epoch() && slot.meta_sequence <= catalog_.last_sequence()) {
    return absl::OkStatus();
  }
  return Error(absl::StatusCode::kDataLoss,
               "intents: a slot was written in epoch {} after metadata write {}, but the metadata "
               "is of epoch {} and ends at write {}: the log in meta/ has lost its end",
               slot.epoch, slot.meta_sequence, catalog_.epoch(), catalog_.last_sequence());
}

void SlotRecovery::AddCandidates(uint64_t entry, const IntentSlot& slot) {
  const auto run = runs_.find(slot.run_id);
  if (run == runs_.end()) return;  // of a run that has ended
  const Geometry& geometry = run->second->geometry();
  const bool in_log = slot.data_bytes > 0 && !BATON_MUTANT(kRecoveryIgnoresLog);
  for (uint64_t i = 0; i < slot.span.count; ++i) {
    const uint64_t extent = slot.span.first + i;
    if (extent >= geometry.extents() || run->second->copied().Test(extent)) continue;
    candidates_.push_back({.run = run->second,
                           .extent = extent,
                           .digest = slot.digests[i],
                           .in_log = in_log,
                           .entry = entry,
                           .entry_offset = i * geometry.extent_bytes});
  }
}

// The target holds the T0 content when it returns true.
absl::StatusOr<bool> SlotRecovery::IsProven(const Candidate& candidate) {
  if (candidate.in_log) return BringFromLog(candidate);
  BATON_ASSIGN_OR_RETURN(const Digest digest,
                         DigestOfExtent(*candidate.run->target()->file, candidate.run->geometry(),
                                        candidate.extent, buffer_));
  return digest == candidate.digest || BATON_MUTANT(kRecoverySkipsHash);
}

absl::StatusOr<bool> SlotRecovery::BringFromLog(const Candidate& candidate) {
  CloneRun& run = *candidate.run;
  const Geometry& geometry = run.geometry();
  const uint64_t length = geometry.BytesOf({candidate.extent, 1});
  Digester digester(geometry, {candidate.extent, 1});
  const MutableBytes data = buffer_.first(length);
  BATON_RETURN_IF_ERROR(log_.ReadData(candidate.entry, candidate.entry_offset, data));
  digester.Update(data);
  if (digester.digests().front() != candidate.digest && !BATON_MUTANT(kRecoverySkipsHash)) {
    return false;
  }
  BATON_RETURN_IF_ERROR(run.target()->file->Write(geometry.OffsetOf(candidate.extent), data));
  return true;
}

void SlotRecovery::Restore(const Candidate& candidate, MetaBatch& batch) {
  const Progress& progress = candidate.run->progress();
  catalog_.MarkCopied(batch, progress.run_id, candidate.extent, 1);
  if (progress.keeps_digests) {
    catalog_.PutDigests(batch, progress.run_id, candidate.extent, {&candidate.digest, 1});
  }
  candidate.run->Restore({candidate.extent, 1});
}

}  // namespace baton
