#include "engine/clone/clone_failures.h"

#include "engine/base/copy_failure.h"
#include "engine/base/mutant.h"
#include "engine/base/status.h"

namespace baton {

absl::Status CloneFailures::OnPreserveFailed(uint64_t id, const absl::Status& why) {
  const absl::StatusOr<Relation> relation = table_.Get(id);
  if (!relation.ok()) return absl::OkStatus();  // deleted meanwhile: nothing to preserve
  if (relation->record.on_error() == FAIL_WRITE) {
    return AsCopyFailure(
        Annotate(why, fmt::format("clone {} could not preserve what this write overwrites", id)));
  }
  return Fail(id, why);
}

// What was preserved is in the intent log and does not get to the target: the writes that needed it
// were answered long ago, so it is the clone that fails. Runs that fail writes do not use the
// intent log.
absl::Status CloneFailures::OnWritebackFailed(uint64_t run_id, const absl::Status& why) {
  const std::optional<uint64_t> id = table_.FindRun(run_id);
  return id ? Fail(*id, why) : absl::OkStatus();
}

// The failure is durable before any write goes on: after a crash the extents that were not
// preserved must not be taken for pending ones.
absl::Status CloneFailures::Fail(uint64_t id, const absl::Status& why) {
  {
    RelationChanges::Change change(changes_);
    const absl::StatusOr<Relation> relation = table_.Get(id);
    if (!relation.ok() || !IsRunning(relation->record.state())) return absl::OkStatus();
    const std::shared_ptr<CloneRun>& run = relation->run;
    BATON_RETURN_IF_ERROR(change.Add(id, Action::kFail, [&](RelationRecord& record) {
      record.set_error(Message(why));
      record.set_copies_total(run->progress().copies);
      change.AddEvent(record, "failed", "failed: " + Message(why));
    }));
    BATON_RETURN_IF_ERROR(
        change.Commit(BATON_MUTANT(kFailureNotDurable) ? Durable::kNo : Durable::kYes));
    run->SetPhase(CloneRun::Phase::kOver);
  }
  on_failed_(id, why);
  return absl::OkStatus();
}

}  // namespace baton
