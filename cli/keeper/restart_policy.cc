#include "cli/keeper/restart_policy.h"

#include <algorithm>

#include "cli/keeper/keeper_settings.h"

namespace baton::keeper {

bool RestartPolicy::looping() const { return deaths_ >= kDeathsOfALoop; }

absl::Duration RestartPolicy::WaitAfter(const Death& death) {
  if (death.served && death.served_for >= kHealthyAfter) deaths_ = 0;
  if (death.killed) return WaitAfterKill(death);
  kills_ = 0;
  ++deaths_;
  if (looping()) return kLoopPause;
  if (deaths_ == 1) return absl::ZeroDuration();
  return std::min(kFirstBackoff * (1 << (deaths_ - 2)), kMaxBackoff);
}

absl::Duration RestartPolicy::WaitAfterKill(const Death& death) {
  kills_ = death.served ? 0 : kills_ + 1;
  return std::min(kKilledBackoff * kills_, kMaxKilledBackoff);
}

}  // namespace baton::keeper
