#include "cli/batond/crash_order.h"

#include <spdlog/spdlog.h>

#include "engine/base/status.h"
#include "fs/connection.h"

namespace baton {

absl::Status CrashOrder::Check(const DaemonOptions& options,
                               const std::string& init_request) const {
  if (keeper_.keeper_pid() == 0) {
    return absl::FailedPreconditionError(
        "the owner has no keeper: its mount would end; start batond there again");
  }
  if (!fs::CanResend(init_request)) {
    return absl::FailedPreconditionError(
        "the kernel of the owner cannot deliver requests again (before Linux 6.9): its mount would "
        "end");
  }
  // Where the end of a process proves nothing, only that of its machine does.
  const bool is_proof = keeper_.begin().facts().writes_end_with_process();
  const bool only_fenced = options.pair.coordinator.takeover == ha::Takeover::kFencedOnly;
  if (is_proof || (!only_fenced && options.pair.watchdog.device.empty())) return absl::OkStatus();
  return Error(absl::StatusCode::kFailedPrecondition,
               "on the file system of this pool the end of a process is no proof, so a crash would "
               "have the owner's machine {}; `baton drill handover` is possible",
               only_fenced ? "turned off by the fence command (takeover is fenced-only)"
                           : "reset by its watchdog");
}

absl::Status CrashOrder::Give(absl::Duration delay) {
  const absl::MutexLock lock(&mutex_);
  if (timer_ == nullptr) {
    BATON_ASSIGN_OR_RETURN(timer_, MakeKillTimer());
  }
  spdlog::warn("a drill kills this process");
  return timer_->Arm(runtime_.BootTime() + delay);
}

}  // namespace baton
