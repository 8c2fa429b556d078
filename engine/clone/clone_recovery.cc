#include "engine/clone/clone_recovery.h"

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "engine/base/status.h"
#include "engine/clone/slot_recovery.h"
#include "engine/clone/state.h"

namespace baton {

absl::Status CloneRecovery::Run() {
  const CloneLocks::Command command(parts_.locks);  // what a copier reports meanwhile waits
  BATON_ASSIGN_OR_RETURN(const std::vector<RelationRecord> records, catalog_.LoadRelations());
  for (const RelationRecord& record : records) BATON_RETURN_IF_ERROR(Load(command, record));
  BATON_RETURN_IF_ERROR(RecoverSlots());
  for (const RelationRecord& record : records) {
    BATON_ASSIGN_OR_RETURN(const Relation relation, parts_.table.Get(record.id()));
    Revive(command, relation);
  }
  parts_.redirects.Restore(command);
  return absl::OkStatus();
}

absl::Status CloneRecovery::Load(const CloneLocks::Command& command, const RelationRecord& record) {
  for (const std::string& name : {record.source(), record.target()}) {
    if (parts_.volumes.Find(name) != nullptr) continue;
    return Error(absl::StatusCode::kDataLoss,
                 "relations: clone {} names volume {}, which is not there", record.id(), name);
  }
  std::shared_ptr<CloneRun> run;
  if (IsActive(record.state()) || IsTargetOffline(record.state())) {
    run = parts_.factory.Make(record);
    BATON_RETURN_IF_ERROR(LoadBits(record.id(), *run));
  }
  parts_.table.Insert(CloneLocks::Change(parts_.locks), record);
  parts_.table.SetRun(command, record.id(), std::move(run));
  return absl::OkStatus();
}

absl::Status CloneRecovery::LoadBits(uint64_t id, CloneRun& run) {
  const uint64_t run_id = run.progress().run_id;
  const uint64_t extents = run.geometry().extents();
  uint64_t stray = 0;
  BATON_RETURN_IF_ERROR(catalog_.LoadCopied(run_id, [&](uint64_t first, uint64_t count) {
    const uint64_t end = std::min(first + count, extents);
    stray += first + count - end;
    if (end > first) run.Restore({first, end - first});
  }));
  if (stray > 0) {
    return Error(absl::StatusCode::kDataLoss, "bitmap: clone {} has bits beyond its {} extents", id,
                 extents);
  }
  BATON_ASSIGN_OR_RETURN(const uint64_t copies, catalog_.LoadCopies(run_id));
  run.RestoreCopies(copies);
  return absl::OkStatus();
}

absl::Status CloneRecovery::RecoverSlots() {
  IntentLog& log = parts_.pipeline.log();
  const BufferPool::Handle buffer = parts_.pipeline.buffers().Acquire();
  SlotRecovery recovery(runtime_, log, catalog_, buffer.bytes());
  MetaBatch batch;
  FailMisfits(batch);
  parts_.table.ForEach([&](const Relation& relation) {
    if (IsRunning(relation.record.state())) recovery.AddRun(relation.run);
  });
  BATON_RETURN_IF_ERROR(recovery.Run(batch));
  BATON_RETURN_IF_ERROR(parts_.fault.Check());  // what failed was not a copy but a sync
  const CloneLocks::Change change(parts_.locks);
  for (const auto& [run_id, why] : recovery.failures()) RecordFailure(change, run_id, why, batch);
  AddEvents(batch);
  // Committed even when nothing was found: metadata that was in flight when its writer was killed
  // may be visible without being durable, and is relied on from here.
  BATON_RETURN_IF_ERROR(catalog_.Commit(std::move(batch), Durable::kYes));
  return log.is_old() ? log.Renew() : absl::OkStatus();
}

// A run reaches as far as its clone's record says. Volumes do not grow under a clone, unless an
// owner of an older version has activated one whose volume had grown.
void CloneRecovery::FailMisfits(MetaBatch& batch) {
  std::map<uint64_t, absl::Status> misfits;  // by run
  parts_.table.ForEach([&](const Relation& relation) {
    const RelationRecord& record = relation.record;
    if (!IsActive(record.state())) return;
    for (const auto& volume : {relation.run->source(), relation.run->target()}) {
      if (volume->file->size_bytes() == record.size_bytes()) continue;
      misfits[record.run_id()] =
          Error(absl::StatusCode::kFailedPrecondition,
                "volume {} has {} bytes, and the clone was made for {}: it has grown since; delete "
                "the clone and create it anew",
                volume->name, volume->file->size_bytes(), record.size_bytes());
    }
  });
  const CloneLocks::Change change(parts_.locks);
  for (const auto& [run_id, why] : misfits) RecordFailure(change, run_id, why, batch);
}

// As CloneFailures::Fail, before anybody can see the relation.
void CloneRecovery::RecordFailure(const CloneLocks::Change& change, uint64_t run_id,
                                  const absl::Status& why, MetaBatch& batch) {
  const absl::StatusOr<Relation> relation =
      parts_.table.Get(parts_.table.FindRun(run_id).value_or(0));
  if (!relation.ok()) return;
  RelationRecord record = relation->record;
  record.set_state(StateAfter(Action::kFail, record.state()));
  record.set_error(Message(why));
  record.set_copies_total(relation->run->progress().copies);
  catalog_.PutRelation(batch, record);
  Event event;
  event.set_kind("clone-failed");
  event.set_clone_id(record.id());
  event.set_text(fmt::format("clone {} ({} -> {}) failed: {}", record.id(), record.source(),
                             record.target(), Message(why)));
  catalog_.AddEvent(batch, std::move(event));
  parts_.table.Publish(change, {record});
}

void CloneRecovery::AddEvents(MetaBatch& batch) {
  parts_.table.ForEach([&](const Relation& relation) {
    if (!IsRunning(relation.record.state())) return;
    parts_.residuals.AddEvent("clone-recovered", relation.record,
                              parts_.residuals.Of(relation, false), batch);
  });
}

void CloneRecovery::Revive(const CloneLocks::Command& command, const Relation& relation) {
  if (relation.run == nullptr) return;
  const RelationRecord& record = relation.record;
  const RelationState state = record.state();
  if (IsRunning(state)) relation.run->SetPhase(CloneRun::Phase::kActive);
  if (state == STOPPED || state == FAILED) relation.run->SetPhase(CloneRun::Phase::kOver);
  parts_.runs.ShowView(command, record.id(), relation.run);
  if (IsActive(state)) parts_.runs.Preserve(command, record.id());
  if (state == COPYING) {
    parts_.runs.StartJob(command, record.id(), AttachedRuns::PaceOf(record));
  }
}

}  // namespace baton
