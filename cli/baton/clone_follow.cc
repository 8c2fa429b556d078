#include "cli/baton/clone_follow.h"

#include <absl/time/clock.h>

#include <algorithm>

#include "cli/baton/clone_calls.h"
#include "cli/baton/clone_text.h"
#include "cli/baton/interrupt.h"
#include "cli/baton/patient_call.h"
#include "engine/base/boot_time.h"
#include "engine/base/clone_state.h"
#include "engine/base/status.h"

namespace baton {
absl::StatusOr<CloneStatus> FollowClone(CommandContext& context, const std::string& clone,
                                        const FollowOptions& options,
                                        absl::FunctionRef<void(const CloneStatus&)> visit) {
  BATON_ASSIGN_OR_RETURN(CloneStatus last, CallCloneStatus(*context.client, clone));
  // From now on by number: a name may come to mean another clone.
  const std::string id = CloneNumber(last.id());
  absl::Duration seen = BootTime();
  while (true) {
    visit(last);
    BATON_RETURN_IF_ERROR(context.console.written());
    if (IsOver(last)) return last;
    const absl::Duration now = BootTime();
    if (now >= options.deadline) {
      return Error(absl::StatusCode::kDeadlineExceeded, "{} is still {}, {} copied", Title(last),
                   last.state(), PercentCopied(last));
    }
    SleepUnlessInterrupted(std::min(options.interval, options.deadline - now));
    if (Interrupted()) return Error(absl::StatusCode::kCancelled, "interrupted");
    absl::StatusOr<CloneStatus> next = CallCloneStatus(*context.client, id);
    if (next.ok()) {
      last = *std::move(next);
      seen = BootTime();
    } else if (!MayPass(next.status()) || BootTime() - seen > kAwayLimit) {
      return next.status();
    }
  }
}

absl::Status CheckCompleted(const CloneStatus& clone) {
  if (StateOf(clone) == COMPLETED) return absl::OkStatus();
  return Error(absl::StatusCode::kFailedPrecondition, "{} is {}{}{}", Title(clone), clone.state(),
               clone.error().empty() ? "" : ": ", clone.error());
}

}  // namespace baton
