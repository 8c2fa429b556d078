#include "ha/node/storage_failures.h"

#include "engine/base/status.h"

namespace baton::ha {

bool StorageFailures::Report(const absl::Status& status) {
  const bool fails_as_a_whole = !watch_.Probe().ok();
  if (!fails_as_a_whole && epoch_.MayRepeatFailure()) return false;
  if (!peers_.HearsEligible()) return fails_as_a_whole;
  on_fault_(Annotate(absl::AbortedError(Message(status)), "the storage of this node fails"));
  return true;
}

}  // namespace baton::ha
