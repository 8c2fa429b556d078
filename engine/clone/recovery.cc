// What an engine finds when it opens: relations, bitmaps, intent slots; and how it goes on.
#include <algorithm>
#include <vector>

#include "engine/base/status.h"
#include "engine/clone/change.h"
#include "engine/clone/clones.h"
#include "engine/clone/slot_recovery.h"

namespace baton {
namespace {

using absl::StatusCode;

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

absl::Status Clones::RecoverSlots() {
  const BufferPool::Handle buffer = buffers_.Acquire();
  SlotRecovery recovery(runtime_, *log_, catalog_, buffer.bytes());
  {
    absl::ReaderMutexLock guard(&mutex_);
    for (const auto& [id, relation] : relations_) {
      if (IsRunning(relation->record.state())) recovery.AddRun(relation->run);
    }
  }
  MetaBatch batch;
  BATON_RETURN_IF_ERROR(recovery.Run(batch));
  for (const auto& [run_id, why] : recovery.failures()) RecordFailure(run_id, why, batch);
  AddRecoveryEvents(batch);
  // Committed even when nothing was found: metadata that was in flight when its writer was killed
  // may be visible without being durable, and is relied on from here.
  BATON_RETURN_IF_ERROR(catalog_.Commit(std::move(batch), Durable::kYes));
  return log_->is_old() ? log_->Renew() : absl::OkStatus();
}

// As Clones::Fail, before anybody can see the relation.
void Clones::RecordFailure(uint64_t run_id, const absl::Status& why, MetaBatch& batch) {
  absl::MutexLock guard(&mutex_);
  for (const auto& [id, relation] : relations_) {
    RelationRecord& record = relation->record;
    if (record.run_id() != run_id) continue;
    record.set_state(StateAfter(Action::kFail, record.state()));
    record.set_error(Message(why));
    record.set_copies_total(relation->run->progress().copies);
    catalog_.PutRelation(batch, record);
    Event event;
    event.set_kind("clone-failed");
    event.set_clone_id(id);
    event.set_text(fmt::format("clone {} ({} -> {}) failed: {}", id, record.source(),
                               record.target(), Message(why)));
    catalog_.AddEvent(batch, std::move(event));
  }
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
