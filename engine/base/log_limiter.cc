#include "engine/base/log_limiter.h"

namespace baton {

std::optional<uint64_t> LogLimiter::Admit() {
  const absl::Duration now = runtime_.BootTime();
  absl::MutexLock lock(&mutex_);
  if (now >= period_end_) {
    period_end_ = now + period_;
    lines_ = 0;
  }
  if (lines_ == lines_per_period_) {
    ++left_out_;
    return std::nullopt;
  }
  ++lines_;
  return std::exchange(left_out_, 0);
}

}  // namespace baton
