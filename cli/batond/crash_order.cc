#include "cli/batond/crash_order.h"

#include <spdlog/spdlog.h>

#include "engine/base/status.h"
#include "fs/connection.h"

namespace baton {

absl::Status CrashOrder::Check(const std::string& init_request) const {
  if (keeper_.keeper_pid() == 0) {
    return absl::FailedPreconditionError(
        "the owner has no keeper: its mount would end; start batond there again");
  }
  if (!fs::CanResend(init_request)) {
    return absl::FailedPreconditionError(
        "the kernel of the owner cannot deliver requests again (before Linux 6.9): its mount would "
        "end");
  }
  return absl::OkStatus();
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
