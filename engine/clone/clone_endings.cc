// What ends a copy without a command of a user: it is complete, or it has failed.
//
// The copier and host writes only report; a thread of its own does what follows, because taking a
// plugin off a path waits for the host I/O inside it.
#include "engine/base/copy_failure.h"
#include "engine/base/mutant.h"
#include "engine/base/status.h"
#include "engine/clone/certificate.h"
#include "engine/clone/change.h"
#include "engine/clone/clones.h"

namespace baton {

void Clones::OnJobFinished(const std::shared_ptr<CopyJob>& job, const absl::Status& result) {
  Report({job->clone_id, job, result});
}

void Clones::Report(Ending ending) {
  absl::MutexLock guard(&mutex_);
  endings_.push_back(std::move(ending));
  ended_.Signal();
}

absl::Status Clones::OnPreserveFailed(uint64_t id, const absl::Status& why) {
  absl::StatusOr<RelationPtr> relation = Get(id);
  if (!relation.ok()) return absl::OkStatus();  // deleted meanwhile: nothing to preserve
  if (RecordOf(**relation).on_error() == FAIL_WRITE) {
    return AsCopyFailure(
        Annotate(why, fmt::format("clone {} could not preserve what this write overwrites", id)));
  }
  return Fail(**relation, why);
}

// What was preserved is in the intent log and does not get to the target: the writes that needed it
// were answered long ago, so it is the clone that fails. Runs that fail writes do not use the
// intent log.
absl::Status Clones::OnWritebackFailed(uint64_t run_id, const absl::Status& why) {
  RelationPtr relation;
  {
    absl::ReaderMutexLock guard(&mutex_);
    for (const auto& [id, candidate] : relations_) {
      if (candidate->record.run_id() == run_id) relation = candidate;
    }
  }
  return relation == nullptr ? absl::OkStatus() : Fail(*relation, why);
}

// The failure is durable before any write goes on: after a crash the extents that were not
// preserved must not be taken for pending ones.
absl::Status Clones::Fail(Relation& relation, const absl::Status& why) {
  {
    Change change(*this);
    if (!IsRunning(RecordOf(relation).state())) return absl::OkStatus();
    BATON_RETURN_IF_ERROR(change.Add(relation, Action::kFail, [&](RelationRecord& record) {
      record.set_error(Message(why));
      record.set_copies_total(relation.run->progress().copies);
      change.AddEvent(record, "failed", "failed: " + Message(why));
    }));
    BATON_RETURN_IF_ERROR(
        change.Commit(BATON_MUTANT(kFailureNotDurable) ? Durable::kNo : Durable::kYes));
    relation.run->SetPhase(CloneRun::Phase::kOver);
  }
  Report({relation.record.id(), nullptr, why});
  return absl::OkStatus();
}

// With on_error = fail-write the clone does not fail: it waits for somebody who makes room.
void Clones::PauseOnError(Relation& relation, const absl::Status& why) {
  {
    Change change(*this);
    const absl::Status allowed = change.Add(relation, Action::kPause, [&](RelationRecord& record) {
      record.set_error(Message(why));
      change.AddEvent(record, "paused",
                      "was paused by an error; resume it once the cause is gone: " + Message(why));
    });
    if (!allowed.ok() || !change.Commit().ok()) return;
  }
  StopJob(relation);
}

void Clones::WorkOnEndings() {
  while (true) {
    Ending ending;
    {
      absl::MutexLock guard(&mutex_);
      while (endings_.empty() && !stopping_) runtime_.Wait(ended_, mutex_);
      if (stopping_) return;
      ending = endings_.front();
      endings_.pop_front();
    }
    HandleEnding(ending);
  }
}

// What takes long is done before the lock of the commands is taken; what it is good for is found
// out after that.
void Clones::HandleEnding(const Ending& ending) {
  if (absl::IsAborted(ending.result)) return;  // the engine has stopped
  std::string certificate;
  absl::Status result = ending.result;
  if (result.ok()) result = Certify(*ending.job->run, certificate);
  if (absl::IsAborted(result)) return;
  SleepLock::Guard guard(commands_);
  const absl::StatusOr<RelationPtr> found = Get(ending.id);
  if (!found.ok() || !CheckServing().ok()) return;  // deleted meanwhile; sealed
  Relation& relation = **found;
  const RelationRecord record = RecordOf(relation);
  absl::Status status;
  if (record.state() == FAILED) {
    status = Detach(relation);
  } else if (record.state() != COPYING || ending.job != relation.job) {
    return;  // a command came first
  } else if (result.ok()) {
    status = Complete(relation, certificate);
  } else if (record.on_error() == FAIL_WRITE) {
    PauseOnError(relation, result);
  } else {
    status = Fail(relation, result);  // comes back here as FAILED
  }
  if (!status.ok() && !absl::IsAborted(status)) (void)Fail(relation, status);
}

// Nothing of the run is pending. Aborted: the engine is about to stop; the clone is as it was,
// and its end is found again.
absl::Status Clones::Certify(CloneRun& run, std::string& certificate) {
  BATON_RETURN_IF_ERROR(run.Drain());
  BATON_RETURN_IF_ERROR(run.target()->file->Flush());
  if (!run.progress().keeps_digests) return absl::OkStatus();
  Certifier certifier(run.geometry());
  const auto add = [&](uint64_t, std::span<const Digest> digests) {
    certifier.Add(digests);
    return CheckServing();
  };
  BATON_RETURN_IF_ERROR(ForEachDigest(catalog_, run.progress().run_id, run.geometry(), add));
  certificate = certifier.Result();
  return absl::OkStatus();
}

absl::Status Clones::Complete(Relation& relation, const std::string& certificate) {
  const std::shared_ptr<CloneRun> run = relation.run;
  StopJob(relation);
  {
    Change change(*this);
    BATON_RETURN_IF_ERROR(change.Add(relation, Action::kComplete, [&](RelationRecord& record) {
      record.set_certificate(certificate);
      record.set_copies_total(run->progress().copies);
      record.set_completed_unix_us(absl::ToUnixMicros(runtime_.WallTime()));
      catalog_.DropBits(change.batch(), record.run_id());
      change.AddEvent(record, "completed", "is complete");
    }));
    BATON_RETURN_IF_ERROR(change.Commit());
  }
  run->source()->path.Remove(relation.source_plugin);
  run->target()->path.Remove(relation.target_plugin);
  relation.source_plugin = nullptr;
  relation.target_plugin = nullptr;
  absl::MutexLock guard(&mutex_);
  relation.run = nullptr;
  return absl::OkStatus();
}

}  // namespace baton
