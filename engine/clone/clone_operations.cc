#include "engine/clone/clone_operations.h"

#include <map>
#include <memory>
#include <utility>

#include "engine/base/mutant.h"
#include "engine/base/names.h"
#include "engine/base/status.h"

namespace baton {

namespace {

RelationRecord NewRecord(const CloneOptions& options, uint64_t size_bytes) {
  RelationRecord record;
  record.set_source(options.source);
  record.set_target(options.target);
  record.set_size_bytes(size_bytes);
  record.set_extent_bytes(options.extent_bytes);
  record.set_state(CREATED);
  record.set_on_error(options.on_error);
  record.set_no_digests(options.no_digests);
  record.set_rate_bytes_per_second(options.rate_bytes_per_second);
  record.set_latency_target_us(options.latency_target_us);
  return record;
}

}  // namespace

absl::StatusOr<uint64_t> CloneOperations::Create(const CloneOptions& options) {
  const CloneLocks::Command command(parts_.locks);
  BATON_RETURN_IF_ERROR(parts_.checks.CheckServing());
  BATON_RETURN_IF_ERROR(CheckLatencyTarget(options.latency_target_us));
  BATON_ASSIGN_OR_RETURN(
      const uint64_t size_bytes,
      parts_.checks.CheckVolumes(options.source, options.target, options.extent_bytes));
  RelationRecord record = NewRecord(options, size_bytes);
  BATON_RETURN_IF_ERROR(parts_.checks.CheckPair(record));

  Change change(parts_.changes);
  const uint64_t id = change.Create(std::move(record), [&](RelationRecord& created) {
    created.set_created_unix_us(UnixMicros());
    change.AddEvent(created, "created", "was created");
  });
  BATON_RETURN_IF_ERROR(change.Commit());
  return id;
}

absl::Status CloneOperations::Activate(const std::vector<uint64_t>& ids) {
  const CloneLocks::Command command(parts_.locks);
  BATON_ASSIGN_OR_RETURN(const std::vector<Relation> relations,
                         parts_.checks.GetFor(Action::kActivate, ids));
  BATON_RETURN_IF_ERROR(parts_.checks.CheckActivation(relations));
  for (const Relation& relation : relations) {
    BATON_RETURN_IF_ERROR(ActivateOne(command, relation.record));
  }
  return absl::OkStatus();
}

// The view comes first, so that the target is offline before it is emptied; the record comes last,
// so that an activated clone's target is empty whatever happens.
absl::Status CloneOperations::ActivateOne(const CloneLocks::Command& command,
                                          const RelationRecord& before) {
  const uint64_t id = before.id();
  BATON_RETURN_IF_ERROR(parts_.runs.Detach(command, id));
  MetaBatch drawn;
  RelationRecord record = before;
  record.set_run_id(catalog_.AllocateId(drawn));
  const std::shared_ptr<CloneRun> run = parts_.factory.Make(record);
  BATON_RETURN_IF_ERROR(HideTarget(command, id, run));
  {
    Change change(parts_.changes);
    change.batch() = std::move(drawn);
    BATON_RETURN_IF_ERROR(change.Add(id, Action::kActivate, [&](RelationRecord& next) {
      if (next.run_id() != 0) catalog_.DropRun(change.batch(), next.run_id());
      next.set_run_id(record.run_id());
      next.clear_error();
      next.clear_certificate();
      next.clear_started_unix_us();
      next.clear_completed_unix_us();
      next.clear_copies_total();
      change.AddEvent(next, "activated", "was activated: the target's old content is discarded");
    }));
    BATON_RETURN_IF_ERROR(change.Commit());
  }
  parts_.table.SetRun(command, id, run);
  parts_.runs.Preserve(command, id);
  return absl::OkStatus();
}

// The target is offline, and empty.
absl::Status CloneOperations::HideTarget(const CloneLocks::Command& command, uint64_t id,
                                         const std::shared_ptr<CloneRun>& run) {
  Openings::Reservation reservation(run->target()->openings);  // until the target is offline
  if (!reservation.holds()) return TargetIsOpen(*run->target());
  parts_.runs.ShowView(command, id, run);
  reservation.Release();
  const absl::Status emptied = EmptyTarget(*run->target());
  if (emptied.ok()) {
    parts_.runs.DropEarlierView(command, id);
  } else {
    parts_.runs.WithdrawView(command, id);
  }
  return emptied;
}

absl::Status CloneOperations::EmptyTarget(Volume& target) const {
  if (BATON_MUTANT(kActivateKeepsOldContent)) return absl::OkStatus();
  const uint64_t size_bytes = target.file->size_bytes();
  // A host write that was let through before the target went offline may still be under way, and
  // would put back what it read.
  const WriteFreeze freeze(target.path);
  // What the log has of it, from when it was a source, must not come over what it becomes.
  BATON_RETURN_IF_ERROR(parts_.redirects.Settle(target));
  // Never shorter, not for a moment; a thick one keeps its space.
  absl::Status status = target.file->Discard(0, size_bytes);
  if (status.ok()) status = target.file->Flush();
  target.changed.Note(runtime_.WallTime());
  return Annotate(status, fmt::format("volume {} could not be emptied", target.name));
}

absl::Status CloneOperations::Start(const std::vector<uint64_t>& ids) {
  const CloneLocks::Command command(parts_.locks);
  BATON_ASSIGN_OR_RETURN(const std::vector<Relation> relations,
                         parts_.checks.GetFor(Action::kStart, ids));
  for (const Relation& relation : relations) {  // so that the freeze has little to do
    BATON_RETURN_IF_ERROR(parts_.redirects.Settle(*relation.run->source()));
    BATON_RETURN_IF_ERROR(relation.run->source()->file->Flush());
  }
  BATON_RETURN_IF_ERROR(CommitStart(relations));
  for (const Relation& relation : relations) {
    parts_.runs.StartJob(command, relation.record.id(), AttachedRuns::PaceOf(relation.record));
  }
  return absl::OkStatus();
}

// Freeze, drain, flush, commit: T0 is one instant for all sources, and what the record will hold to
// be the T0 content is in the sources' files, durable, before the record is.
absl::Status CloneOperations::CommitStart(const std::vector<Relation>& relations) {
  std::map<uint64_t, std::shared_ptr<Volume>> sources;  // in one order for everybody
  for (const Relation& relation : relations) {
    sources[relation.run->source()->id] = relation.run->source();
  }
  std::vector<std::unique_ptr<WriteFreeze>> freezes;
  for (const auto& [id, source] : sources) {
    if (!BATON_MUTANT(kStartWithoutQuiesce)) {
      freezes.push_back(std::make_unique<WriteFreeze>(source->path));
    }
  }
  for (const auto& [id, source] : sources) {
    BATON_RETURN_IF_ERROR(parts_.redirects.Settle(*source));
    if (!BATON_MUTANT(kStartWithoutSync)) BATON_RETURN_IF_ERROR(source->file->Flush());
  }
  const int64_t now = UnixMicros();
  Change change(parts_.changes);
  for (const Relation& relation : relations) {
    const uint64_t id = relation.record.id();
    BATON_RETURN_IF_ERROR(change.Add(id, Action::kStart, [&](RelationRecord& record) {
      record.set_started_unix_us(now);
      change.AddEvent(record, "started", "was started: this is T0");
    }));
  }
  BATON_RETURN_IF_ERROR(
      change.Commit(BATON_MUTANT(kStartNotDurable) ? Durable::kNo : Durable::kYes));
  for (const Relation& relation : relations) {
    relation.run->SetPhase(CloneRun::Phase::kActive);
    relation.run->target()->changed.Note(runtime_.WallTime());
  }
  return absl::OkStatus();
}

absl::Status CloneOperations::Pause(uint64_t id) {
  const CloneLocks::Command command(parts_.locks);
  BATON_RETURN_IF_ERROR(parts_.checks.GetFor(Action::kPause, id).status());
  {
    Change change(parts_.changes);
    BATON_RETURN_IF_ERROR(change.Add(id, Action::kPause, [&](RelationRecord& record) {
      change.AddEvent(record, "paused", "was paused; what hosts overwrite is still preserved");
    }));
    BATON_RETURN_IF_ERROR(change.Commit());
  }
  parts_.runs.StopJob(command, id);
  return absl::OkStatus();
}

absl::Status CloneOperations::Resume(uint64_t id) {
  const CloneLocks::Command command(parts_.locks);
  BATON_ASSIGN_OR_RETURN(const Relation relation, parts_.checks.GetFor(Action::kResume, id));
  {
    Change change(parts_.changes);
    BATON_RETURN_IF_ERROR(change.Add(id, Action::kResume, [&](RelationRecord& record) {
      record.clear_error();
      change.AddEvent(record, "resumed", "was resumed");
    }));
    BATON_RETURN_IF_ERROR(change.Commit());
  }
  parts_.runs.StartJob(command, id, AttachedRuns::PaceOf(relation.record));
  return absl::OkStatus();
}

absl::Status CloneOperations::Stop(uint64_t id) {
  const CloneLocks::Command command(parts_.locks);
  BATON_ASSIGN_OR_RETURN(const Relation relation, parts_.checks.GetFor(Action::kStop, id));
  CloneRun& run = *relation.run;
  {
    Change change(parts_.changes);
    BATON_RETURN_IF_ERROR(change.Add(id, Action::kStop, [&](RelationRecord& record) {
      record.set_copies_total(run.progress().copies);
      change.AddEvent(record, "stopped", "was stopped; its target is offline");
    }));
    BATON_RETURN_IF_ERROR(change.Commit());
    // Inside the change: whoever finds the clone stopped, and drops what the target does not take,
    // relies on it.
    if (!BATON_MUTANT(kStopEndsRunLate)) run.SetPhase(CloneRun::Phase::kOver);
  }
  if (BATON_MUTANT(kStopEndsRunLate)) run.SetPhase(CloneRun::Phase::kOver);
  return parts_.runs.Detach(command, id);
}

absl::Status CloneOperations::Delete(uint64_t id) {
  const CloneLocks::Command command(parts_.locks);
  BATON_ASSIGN_OR_RETURN(const Relation relation, parts_.checks.GetFor(Action::kDelete, id));
  const bool is_offline = IsTargetOffline(relation.record.state());
  BATON_RETURN_IF_ERROR(parts_.runs.Detach(command, id));
  if (is_offline) BATON_RETURN_IF_ERROR(EmptyTarget(*relation.run->target()));
  {
    Change change(parts_.changes);
    change.Delete(relation.record);
    change.AddEvent(relation.record, "deleted",
                    is_offline ? "was deleted; its target is empty now" : "was deleted");
    BATON_RETURN_IF_ERROR(change.Commit());
  }
  parts_.runs.Remove(command, id);
  parts_.table.Erase(command, id);
  return absl::OkStatus();
}

absl::Status CloneOperations::SetRate(uint64_t id, uint64_t bytes_per_second) {
  const CloneLocks::Command command(parts_.locks);
  BATON_RETURN_IF_ERROR(parts_.checks.CheckServing());
  {
    Change change(parts_.changes);
    BATON_RETURN_IF_ERROR(change.Set(id, [&](RelationRecord& record) {
      record.set_rate_bytes_per_second(bytes_per_second);
      change.AddEvent(record, "rate-set",
                      bytes_per_second == 0
                          ? std::string("copies without a rate limit")
                          : fmt::format("copies at most {}/s", FormatSize(bytes_per_second)));
    }));
    BATON_RETURN_IF_ERROR(change.Commit());
  }
  parts_.runs.SetRate(command, id, bytes_per_second);
  return absl::OkStatus();
}

absl::Status CloneOperations::SetLatencyTarget(uint64_t id, uint64_t target_us) {
  const CloneLocks::Command command(parts_.locks);
  BATON_RETURN_IF_ERROR(parts_.checks.CheckServing());
  BATON_RETURN_IF_ERROR(CheckLatencyTarget(target_us));
  const absl::Duration target = absl::Microseconds(target_us);
  {
    Change change(parts_.changes);
    BATON_RETURN_IF_ERROR(change.Set(id, [&](RelationRecord& record) {
      record.set_latency_target_us(target_us);
      change.AddEvent(record, "latency-target-set",
                      target_us == 0 ? std::string("copies without a latency target")
                                     : fmt::format("copies such that 99 % of hosts' requests take "
                                                   "less than {}",
                                                   absl::FormatDuration(target)));
    }));
    BATON_RETURN_IF_ERROR(change.Commit());
  }
  parts_.runs.SetLatencyTarget(command, id, target);
  return absl::OkStatus();
}

}  // namespace baton
