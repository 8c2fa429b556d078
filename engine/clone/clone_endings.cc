#include "engine/clone/clone_endings.h"

#include <utility>

#include "engine/base/status.h"
#include "engine/clone/certificate.h"

namespace baton {

CloneEndings::CloneEndings(Runtime& runtime, Catalog& catalog, const Parts& parts)
    : runtime_(runtime), catalog_(catalog), parts_(parts) {
  thread_ = runtime_.StartThread("clone-endings", [this] { Work(); });
}

void CloneEndings::Stop() {
  {
    absl::MutexLock guard(&mutex_);
    stopping_ = true;
    reported_.Signal();
  }
  thread_.reset();
}

void CloneEndings::ReportJob(std::shared_ptr<CopyJob> job, const absl::Status& result) {
  const uint64_t id = job->clone_id;
  Report({id, std::move(job), result});
}

void CloneEndings::ReportFailure(uint64_t id, const absl::Status& why) {
  Report({id, nullptr, why});
}

void CloneEndings::Report(Ending ending) {
  absl::MutexLock guard(&mutex_);
  endings_.push_back(std::move(ending));
  reported_.Signal();
}

void CloneEndings::Work() {
  while (true) {
    Ending ending;
    {
      absl::MutexLock guard(&mutex_);
      while (endings_.empty() && !stopping_) runtime_.Wait(reported_, mutex_);
      if (stopping_) return;
      ending = endings_.front();
      endings_.pop_front();
    }
    Handle(ending);
  }
}

// What takes long is done before the lock of the commands is taken; what it is good for is found
// out after that.
void CloneEndings::Handle(const Ending& ending) {
  if (absl::IsAborted(ending.result)) return;  // the engine has stopped
  std::string certificate;
  absl::Status result = ending.result;
  if (result.ok()) result = Certify(*ending.job->run, certificate);
  if (absl::IsAborted(result)) return;
  const CloneLocks::Command command(parts_.locks);
  const absl::Status status = End(command, ending, result, certificate);
  if (!status.ok() && !absl::IsAborted(status)) (void)parts_.failures.Fail(ending.id, status);
}

absl::Status CloneEndings::End(const CloneLocks::Command& command, const Ending& ending,
                               const absl::Status& result, const std::string& certificate) {
  const absl::StatusOr<Relation> relation = parts_.table.Get(ending.id);
  if (!relation.ok() || !parts_.gate.Check().ok()) {
    return absl::OkStatus();  // deleted meanwhile; sealed
  }
  const RelationRecord& record = relation->record;
  if (record.state() == FAILED) return parts_.runs.Detach(command, ending.id);
  if (record.state() != COPYING || !parts_.runs.HasJob(command, ending.id, ending.job.get())) {
    return absl::OkStatus();  // a command came first
  }
  if (result.ok()) return Complete(command, *relation, certificate);
  if (record.on_error() == FAIL_WRITE) {
    PauseOnError(command, ending.id, result);
    return absl::OkStatus();
  }
  return parts_.failures.Fail(ending.id, result);  // comes back here as FAILED
}

// Nothing of the run is pending. Aborted: the engine is about to stop; the clone is as it was,
// and its end is found again.
absl::Status CloneEndings::Certify(CloneRun& run, std::string& certificate) const {
  BATON_RETURN_IF_ERROR(run.Drain());
  BATON_RETURN_IF_ERROR(run.target()->file->Flush());
  if (!run.progress().keeps_digests) return absl::OkStatus();
  Certifier certifier(run.geometry());
  const auto add = [&](uint64_t, std::span<const Digest> digests) {
    certifier.Add(digests);
    return parts_.gate.Check();
  };
  BATON_RETURN_IF_ERROR(ForEachDigest(catalog_, run.progress().run_id, run.geometry(), add));
  certificate = certifier.Result();
  return absl::OkStatus();
}

absl::Status CloneEndings::Complete(const CloneLocks::Command& command, const Relation& relation,
                                    const std::string& certificate) {
  const uint64_t id = relation.record.id();
  parts_.runs.StopJob(command, id);
  parts_.runs.LeaveSource(command, id);
  {
    RelationChanges::Change change(parts_.changes);
    BATON_RETURN_IF_ERROR(change.Add(id, Action::kComplete, [&](RelationRecord& record) {
      record.set_certificate(certificate);
      record.set_copies_total(relation.run->progress().copies);
      record.set_completed_unix_us(absl::ToUnixMicros(runtime_.WallTime()));
      catalog_.DropBits(change.batch(), record.run_id());
      change.AddEvent(record, "completed", "is complete");
    }));
    BATON_RETURN_IF_ERROR(change.Commit());
  }
  parts_.runs.Remove(command, id);
  parts_.table.SetRun(command, id, nullptr);
  return absl::OkStatus();
}

// With on_error = fail-write the clone does not fail: it waits for somebody who makes room.
void CloneEndings::PauseOnError(const CloneLocks::Command& command, uint64_t id,
                                const absl::Status& why) {
  {
    RelationChanges::Change change(parts_.changes);
    const absl::Status allowed = change.Add(id, Action::kPause, [&](RelationRecord& record) {
      record.set_error(Message(why));
      change.AddEvent(record, "paused",
                      "was paused by an error; resume it once the cause is gone: " + Message(why));
    });
    if (!allowed.ok() || !change.Commit().ok()) return;
  }
  parts_.runs.StopJob(command, id);
}

}  // namespace baton
