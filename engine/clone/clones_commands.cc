// The commands of users, in the order of a clone's life.
#include <algorithm>
#include <map>

#include "engine/base/mutant.h"
#include "engine/base/names.h"
#include "engine/base/status.h"
#include "engine/clone/change.h"
#include "engine/clone/clones.h"
#include "engine/clone/plugins.h"

namespace baton {
namespace {

using absl::StatusCode;

int64_t UnixMicros(const Runtime& runtime) { return absl::ToUnixMicros(runtime.WallTime()); }

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
  return record;
}

absl::Status IsOpen(const Volume& target) {
  return Error(StatusCode::kFailedPrecondition,
               "volume {} is open ({} handles) and its content would be discarded: close it",
               target.name, target.openings.count());
}

}  // namespace

absl::StatusOr<uint64_t> Clones::Create(const CloneOptions& options) {
  SleepLock::Guard guard(commands_);
  BATON_RETURN_IF_ERROR(CheckServing());
  BATON_RETURN_IF_ERROR(CheckExtentSize(options.extent_bytes));
  BATON_ASSIGN_OR_RETURN(const std::shared_ptr<Volume> source, UsableVolume(options.source));
  BATON_ASSIGN_OR_RETURN(const std::shared_ptr<Volume> target, UsableVolume(options.target));
  if (source == target) {
    return Error(StatusCode::kInvalidArgument, "source and target are the same volume, {}",
                 options.source);
  }
  const uint64_t size_bytes = source->record.size_bytes();
  if (target->record.size_bytes() != size_bytes) {
    return Error(StatusCode::kInvalidArgument,
                 "the volumes differ in size: {} has {} bytes, {} has {} bytes", options.source,
                 size_bytes, options.target, target->record.size_bytes());
  }
  BATON_RETURN_IF_ERROR(CheckExtentCount(size_bytes, options.extent_bytes));
  auto relation = std::make_shared<Relation>();
  relation->record = NewRecord(options, size_bytes);
  BATON_RETURN_IF_ERROR(CheckPair(relation->record));

  Change change(*this);
  const uint64_t id = catalog_.AllocateId(change.batch());
  change.Set(*relation, [&](RelationRecord& record) {
    record.set_id(id);
    record.set_created_unix_us(UnixMicros(runtime_));
    change.AddEvent(record, "created", "was created");
  });
  BATON_RETURN_IF_ERROR(change.Commit());
  absl::MutexLock lock(&mutex_);
  relations_[id] = std::move(relation);
  return id;
}

absl::Status Clones::CheckActivation(const Relation& relation) const {
  const RelationRecord record = RecordOf(relation);
  BATON_RETURN_IF_ERROR(UsableVolume(record.source()).status());
  BATON_ASSIGN_OR_RETURN(const std::shared_ptr<Volume> target, UsableVolume(record.target()));
  if (target->openings.count() > 0) return IsOpen(*target);
  return CheckPair(record);
}

absl::Status Clones::Activate(const std::vector<uint64_t>& ids) {
  SleepLock::Guard guard(commands_);
  BATON_ASSIGN_OR_RETURN(const std::vector<RelationPtr> relations, GetFor(Action::kActivate, ids));
  for (const RelationPtr& relation : relations) {
    BATON_RETURN_IF_ERROR(CheckActivation(*relation));
  }
  BATON_RETURN_IF_ERROR(CheckGroup(relations));
  for (const RelationPtr& relation : relations) {
    BATON_RETURN_IF_ERROR(ActivateOne(*relation));
  }
  return absl::OkStatus();
}

// The plugins come first, so that the target is offline before it is emptied; the record comes
// last, so that an activated clone's target is empty whatever happens.
absl::Status Clones::ActivateOne(Relation& relation) {
  BATON_RETURN_IF_ERROR(Detach(relation));
  RelationRecord record = RecordOf(relation);
  const std::shared_ptr<IoPlugin> old_plugin = relation.target_plugin;
  MetaBatch drawn;
  record.set_run_id(catalog_.AllocateId(drawn));
  const std::shared_ptr<CloneRun> run = MakeRun(record);
  const auto plugin = std::make_shared<TargetPlugin>(run);
  Openings::Reservation reservation(run->target()->openings);  // until the target is offline
  if (!reservation.holds()) return IsOpen(*run->target());
  run->target()->path.Install(plugin);
  reservation.Release();
  const absl::Status emptied = EmptyTarget(*run->target());
  if (!emptied.ok()) {
    run->target()->path.Remove(plugin);
    return emptied;
  }
  if (old_plugin != nullptr) run->target()->path.Remove(old_plugin);

  {
    Change change(*this);
    change.batch() = std::move(drawn);
    BATON_RETURN_IF_ERROR(change.Add(relation, Action::kActivate, [&](RelationRecord& next) {
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
  relation.target_plugin = plugin;
  {
    absl::MutexLock lock(&mutex_);
    relation.run = run;
  }
  AttachPlugins(relation);
  return absl::OkStatus();
}

absl::Status Clones::EmptyTarget(Volume& target) {
  if (BATON_MUTANT(kActivateKeepsOldContent)) return absl::OkStatus();
  const uint64_t size_bytes = target.record.size_bytes();
  // A host write that was let through before the target went offline may still be under way, and
  // would put back what it read.
  const WriteFreeze freeze(target.path);
  // Never shorter, not for a moment; a thick one keeps its space.
  absl::Status status = target.file->Discard(0, size_bytes);
  if (status.ok()) status = target.file->Flush();
  target.changed.Note(runtime_.WallTime());
  return Annotate(status, fmt::format("volume {} could not be emptied", target.name));
}

std::shared_ptr<CloneRun> Clones::MakeRun(const RelationRecord& record) {
  const CloneRun::Options options = {.run_id = record.run_id(),
                                     .keeps_digests = !record.no_digests(),
                                     .fails_writes = record.on_error() == FAIL_WRITE,
                                     .geometry = {record.size_bytes(), record.extent_bytes()}};
  return std::make_shared<CloneRun>(services_, options, volumes_.Find(record.source()),
                                    volumes_.Find(record.target()));
}

void Clones::AttachPlugins(Relation& relation) {
  const std::shared_ptr<CloneRun>& run = relation.run;
  if (relation.target_plugin == nullptr) {
    relation.target_plugin = std::make_shared<TargetPlugin>(run);
    run->target()->path.Install(relation.target_plugin);
  }
  if (!IsActive(RecordOf(relation).state())) return;
  const uint64_t id = relation.record.id();
  relation.source_plugin = std::make_shared<SourcePlugin>(
      run, [this, id](const absl::Status& why) { return OnPreserveFailed(id, why); });
  run->source()->path.Install(relation.source_plugin);
}

absl::Status Clones::Start(const std::vector<uint64_t>& ids) {
  SleepLock::Guard guard(commands_);
  BATON_ASSIGN_OR_RETURN(const std::vector<RelationPtr> relations, GetFor(Action::kStart, ids));
  for (const RelationPtr& relation : relations) {  // so that the freeze has little to flush
    BATON_RETURN_IF_ERROR(relation->run->source()->file->Flush());
  }
  BATON_RETURN_IF_ERROR(CommitStart(relations));
  for (const RelationPtr& relation : relations) StartJob(*relation);
  return absl::OkStatus();
}

// Freeze, flush, commit: T0 is one instant for all sources, and what the record will hold to be
// the T0 content is durable before the record is.
absl::Status Clones::CommitStart(const std::vector<RelationPtr>& relations) {
  std::map<uint64_t, std::shared_ptr<Volume>> sources;  // in one order for everybody
  for (const RelationPtr& relation : relations) {
    sources[relation->run->source()->id] = relation->run->source();
  }
  std::vector<std::unique_ptr<WriteFreeze>> freezes;
  for (const auto& [id, source] : sources) {
    if (!BATON_MUTANT(kStartWithoutQuiesce)) {
      freezes.push_back(std::make_unique<WriteFreeze>(source->path));
    }
  }
  for (const auto& [id, source] : sources) {
    if (!BATON_MUTANT(kStartWithoutSync)) BATON_RETURN_IF_ERROR(source->file->Flush());
  }
  const int64_t now = UnixMicros(runtime_);
  Change change(*this);
  for (const RelationPtr& relation : relations) {
    BATON_RETURN_IF_ERROR(change.Add(*relation, Action::kStart, [&](RelationRecord& record) {
      record.set_started_unix_us(now);
      change.AddEvent(record, "started", "was started: this is T0");
    }));
  }
  BATON_RETURN_IF_ERROR(
      change.Commit(BATON_MUTANT(kStartNotDurable) ? Durable::kNo : Durable::kYes));
  for (const RelationPtr& relation : relations) {
    relation->run->SetPhase(CloneRun::Phase::kActive);
    relation->run->target()->changed.Note(runtime_.WallTime());
  }
  return absl::OkStatus();
}

void Clones::StartJob(Relation& relation) {
  const uint64_t rate = RecordOf(relation).rate_bytes_per_second();
  auto job = std::make_shared<CopyJob>(relation.record.id(), relation.run, rate);
  {
    absl::MutexLock guard(&mutex_);
    relation.job = job;
  }
  copier_->Add(std::move(job));
}

void Clones::StopJob(Relation& relation) {
  std::shared_ptr<CopyJob> job;
  {
    absl::MutexLock guard(&mutex_);
    job = std::move(relation.job);
  }
  if (job != nullptr) copier_->Remove(job);
}

absl::Status Clones::Pause(uint64_t id) {
  SleepLock::Guard guard(commands_);
  BATON_ASSIGN_OR_RETURN(const RelationPtr relation, GetFor(Action::kPause, id));
  {
    Change change(*this);
    BATON_RETURN_IF_ERROR(change.Add(*relation, Action::kPause, [&](RelationRecord& record) {
      change.AddEvent(record, "paused", "was paused; what hosts overwrite is still preserved");
    }));
    BATON_RETURN_IF_ERROR(change.Commit());
  }
  StopJob(*relation);
  return absl::OkStatus();
}

absl::Status Clones::Resume(uint64_t id) {
  SleepLock::Guard guard(commands_);
  BATON_ASSIGN_OR_RETURN(const RelationPtr relation, GetFor(Action::kResume, id));
  {
    Change change(*this);
    BATON_RETURN_IF_ERROR(change.Add(*relation, Action::kResume, [&](RelationRecord& record) {
      record.clear_error();
      change.AddEvent(record, "resumed", "was resumed");
    }));
    BATON_RETURN_IF_ERROR(change.Commit());
  }
  StartJob(*relation);
  return absl::OkStatus();
}

absl::Status Clones::Stop(uint64_t id) {
  SleepLock::Guard guard(commands_);
  BATON_ASSIGN_OR_RETURN(const RelationPtr relation, GetFor(Action::kStop, id));
  {
    Change change(*this);
    BATON_RETURN_IF_ERROR(change.Add(*relation, Action::kStop, [&](RelationRecord& record) {
      record.set_copies_total(relation->run->progress().copies);
      change.AddEvent(record, "stopped", "was stopped; its target is offline");
    }));
    BATON_RETURN_IF_ERROR(change.Commit());
    // Inside the change: whoever finds the clone stopped, and drops what the target does not take,
    // relies on it.
    if (!BATON_MUTANT(kStopEndsRunLate)) relation->run->SetPhase(CloneRun::Phase::kOver);
  }
  if (BATON_MUTANT(kStopEndsRunLate)) relation->run->SetPhase(CloneRun::Phase::kOver);
  return Detach(*relation);
}

absl::Status Clones::Detach(Relation& relation) {
  StopJob(relation);
  if (relation.run == nullptr) return absl::OkStatus();
  BATON_RETURN_IF_ERROR(relation.run->Drain());
  if (relation.source_plugin != nullptr) {
    relation.run->source()->path.Remove(relation.source_plugin);
    relation.source_plugin = nullptr;
  }
  return absl::OkStatus();
}

absl::Status Clones::Delete(uint64_t id) {
  SleepLock::Guard guard(commands_);
  BATON_ASSIGN_OR_RETURN(const RelationPtr relation, GetFor(Action::kDelete, id));
  const RelationRecord record = RecordOf(*relation);
  BATON_RETURN_IF_ERROR(Detach(*relation));
  if (IsTargetOffline(record.state())) {
    BATON_RETURN_IF_ERROR(EmptyTarget(*relation->run->target()));
  }
  {
    Change change(*this);
    catalog_.DeleteRelation(change.batch(), id);
    if (record.run_id() != 0) catalog_.DropRun(change.batch(), record.run_id());
    change.AddEvent(
        record, "deleted",
        IsTargetOffline(record.state()) ? "was deleted; its target is empty now" : "was deleted");
    BATON_RETURN_IF_ERROR(change.Commit());
  }
  if (relation->target_plugin != nullptr) {
    relation->run->target()->path.Remove(relation->target_plugin);
  }
  absl::MutexLock lock(&mutex_);
  relations_.erase(id);
  return absl::OkStatus();
}

absl::Status Clones::SetRate(uint64_t id, uint64_t bytes_per_second) {
  SleepLock::Guard guard(commands_);
  BATON_RETURN_IF_ERROR(CheckServing());
  BATON_ASSIGN_OR_RETURN(const RelationPtr relation, Get(id));
  {
    Change change(*this);
    change.Set(*relation, [&](RelationRecord& record) {
      record.set_rate_bytes_per_second(bytes_per_second);
      change.AddEvent(record, "rate-set",
                      bytes_per_second == 0
                          ? std::string("copies without a rate limit")
                          : fmt::format("copies at most {}/s", FormatSize(bytes_per_second)));
    });
    BATON_RETURN_IF_ERROR(change.Commit());
  }
  absl::MutexLock lock(&mutex_);
  if (relation->job != nullptr) relation->job->throttle.SetRate(bytes_per_second);
  copier_->Wake();
  return absl::OkStatus();
}

}  // namespace baton
