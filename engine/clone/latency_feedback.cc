#include "engine/clone/latency_feedback.h"

#include <algorithm>
#include <utility>

namespace baton {

void LatencyFeedback::Note(const Period& period) {
  Remember(period);
  const uint64_t requests = period.requests.total();
  quiet_periods_ = requests == 0 ? std::min(quiet_periods_ + 1, kIdlePeriods) : 0;
  if (std::exchange(was_cut_, false) || requests == 0) return;
  const uint64_t slow = period.requests.CountAbove(goal_);
  const double copied = CopiedPerSecond();
  if (slow * 100 > requests) {
    const auto floor = static_cast<double>(limits::kCopyFloorBytesPerSecond);
    limit_ = std::max(std::min(limit_, copied) / 2, floor);
    was_cut_ = true;
  } else if (slow * 200 <= requests && limit_ <= 2 * copied) {
    limit_ *= 1 + std::min(static_cast<double>(requests) * kRaisePerRequest, kMaxRaise);
  }
}

void LatencyFeedback::Remember(const Period& period) {
  Period& oldest = window_[next_++ % window_.size()];
  window_sum_ -= oldest.requests;
  oldest = period;
  window_sum_ += period.requests;
}

double LatencyFeedback::CopiedPerSecond() const {
  absl::Duration length;
  uint64_t bytes = 0;
  for (const Period& period : window_) {
    length += period.length;
    bytes += period.copied_bytes;
  }
  return static_cast<double>(bytes) / std::max(absl::ToDoubleSeconds(length), 1e-3);
}

}  // namespace baton
