#include "fs/log_limiter.h"

#include "fs/settings.h"

namespace baton::fs {

std::optional<uint64_t> LogLimiter::Admit() {
  const absl::Duration now = runtime_.BootTime();
  absl::MutexLock lock(&mutex_);
  if (now >= period_end_) {
    period_end_ = now + kLogPeriod;
    lines_ = 0;
  }
  if (lines_ == kLogLinesPerPeriod) {
    ++left_out_;
    return std::nullopt;
  }
  ++lines_;
  return std::exchange(left_out_, 0);
}

}  // namespace baton::fs
