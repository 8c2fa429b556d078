// What an engine finds when it opens: relations, bitmaps, intent slots; and how it goes on.
#include <algorithm>
#include <map>
#include <vector>

#include "engine/base/mutant.h"
#include "engine/base/status.h"
#include "engine/clone/change.h"
#include "engine/clone/clones.h"

namespace baton {
namespace {

using absl::StatusCode;

// One extent whose bit is clear and whose T0 content a slot vouches for.
struct Candidate {
  std::shared_ptr<CloneRun> run;
  uint64_t extent = 0;
  Digest digest;
};

// Slots that were written for a run that is still running, extent by extent.
void AddCandidates(const IntentSlot& slot,
                   const std::map<uint64_t, std::shared_ptr<CloneRun>>& runs,
                   std::vector<Candidate>& candidates) {
  const auto run = runs.find(slot.run_id);
  if (run == runs.end()) return;  // of a run that has ended
  for (uint64_t i = 0; i < slot.span.count; ++i) {
    const uint64_t extent = slot.span.first + i;
    if (extent >= run->second->geometry().extents() || run->second->copied().Test(extent)) continue;
    candidates.push_back({run->second, extent, slot.digests[i]});
  }
}

}  // namespace

absl::Status Clones::Recover() {
  BATON_ASSIGN_OR_RETURN(const std::vector<RelationRecord> records, catalog_.LoadRelations());
  for (const RelationRecord& record : records) BATON_RETURN_IF_ERROR(LoadRelation(record));
  BATON_RETURN_IF_ERROR(RecoverSlots());
  for (const RelationRecord& record : records) {
    BATON_ASSIGN_OR_RETURN(const RelationPtr relation, Get(record.id()));
    Revive(*relation);
  }
  return absl::OkStatus();
}

absl::Status Clones::LoadRelation(const RelationRecord& record) {
  auto relation = std::make_shared<Relation>();
  relation->record = record;
  for (const std::string& name : {record.source(), record.target()}) {
    if (volumes_.Find(name) != nullptr) continue;
    return Error(StatusCode::kDataLoss, "relations: clone {} names volume {}, which is not there",
                 record.id(), name);
  }
  if (IsActive(record.state()) || IsTargetOffline(record.state())) {
    relation->run = MakeRun(record);
    CloneRun& run = *relation->run;
    const uint64_t extents = run.geometry().extents();
    uint64_t stray = 0;
    BATON_RETURN_IF_ERROR(catalog_.LoadCopied(record.run_id(), [&](uint64_t first, uint64_t count) {
      const uint64_t end = std::min(first + count, extents);
      stray += first + count - end;
      if (end > first) run.Restore({first, end - first});
    }));
    if (stray > 0) {
      return Error(StatusCode::kDataLoss, "bitmap: clone {} has bits beyond its {} extents",
                   record.id(), extents);
    }
    BATON_ASSIGN_OR_RETURN(const uint64_t copies, catalog_.LoadCopies(record.run_id()));
    run.RestoreCopies(copies);
  }
  absl::MutexLock guard(&mutex_);
  relations_[record.id()] = std::move(relation);
  return absl::OkStatus();
}

// For every slot of a running clone whose extents' bits are clear: where the target has the
// content that the slot names, the extent was copied and its source may have been overwritten, so
// the bit is set. Where it has not, the source was never overwritten: both had to be durable first.
absl::Status Clones::RecoverSlots() {
  std::map<uint64_t, std::shared_ptr<CloneRun>> runs;
  {
    absl::ReaderMutexLock guard(&mutex_);
    for (const auto& [id, relation] : relations_) {
      if (IsRunning(relation->record.state())) {
        runs[relation->record.run_id()] = relation->run;
      }
    }
  }
  std::vector<Candidate> candidates;
  BATON_RETURN_IF_ERROR(log_->ForEach([&](const IntentSlot& slot) -> absl::Status {
    if (slot.epoch <= catalog_.epoch() && slot.meta_sequence <= catalog_.last_sequence()) {
      AddCandidates(slot, runs, candidates);
      return absl::OkStatus();
    }
    return Error(
        StatusCode::kDataLoss,
        "intents: a slot was written in epoch {} after metadata write {}, but the metadata "
        "is of epoch {} and ends at write {}: the log in meta/ has lost its end",
        slot.epoch, slot.meta_sequence, catalog_.epoch(), catalog_.last_sequence());
  }));

  MetaBatch batch;
  std::map<uint64_t, std::shared_ptr<Volume>> targets;
  const BufferPool::Lease buffer = buffers_.Acquire();
  for (const Candidate& candidate : candidates) {
    if (candidate.run->copied().Test(candidate.extent)) continue;  // another slot was enough
    BATON_ASSIGN_OR_RETURN(const Digest digest,
                           DigestOfExtent(*candidate.run->target()->file, candidate.run->geometry(),
                                          candidate.extent, buffer.bytes()));
    if (digest != candidate.digest && !BATON_MUTANT(kRecoverySkipsHash)) continue;
    const Progress& progress = candidate.run->progress();
    catalog_.MarkCopied(batch, progress.run_id, candidate.extent, 1);
    if (progress.keeps_digests) {
      catalog_.PutDigests(batch, progress.run_id, candidate.extent, {&candidate.digest, 1});
    }
    candidate.run->Restore({candidate.extent, 1});
    targets[candidate.run->target()->id] = candidate.run->target();
  }
  // What was found may be in a cache only: a bit may not outlive its data.
  for (const auto& [id, target] : targets) {
    if (!BATON_MUTANT(kRecoverySkipsTargetSync)) BATON_RETURN_IF_ERROR(target->file->Flush());
  }
  AddRecoveryEvents(batch);
  // Committed even when nothing was found: metadata that was in flight when its writer was killed
  // may be visible without being durable, and is relied on from here.
  return catalog_.Commit(std::move(batch), Durable::kYes);
}

void Clones::AddRecoveryEvents(MetaBatch& batch) {
  absl::ReaderMutexLock guard(&mutex_);
  for (const auto& [id, relation] : relations_) {
    if (!IsRunning(relation->record.state())) continue;
    AddResidualEvent("clone-recovered", *relation, ResidualOf(*relation, false), batch);
  }
}

void Clones::Revive(Relation& relation) {
  if (relation.run == nullptr) return;
  const RelationState state = relation.record.state();
  if (IsRunning(state)) relation.run->SetPhase(CloneRun::Phase::kActive);
  if (state == STOPPED || state == FAILED) relation.run->SetPhase(CloneRun::Phase::kOver);
  AttachPlugins(relation);
  if (state == COPYING) StartJob(relation);
}

}  // namespace baton
