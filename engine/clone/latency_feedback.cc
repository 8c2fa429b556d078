#include "engine/clone/latency_feedback.h"

#include <algorithm>
#include <utility>

namespace baton {

void LatencyFeedback::Note(const Period& period) {
  Remember(period);
  const uint64_t requests = period.requests.total();
  const uint64_t slow = period.requests.CountAbove(goal_);
  Owe(static_cast<double>(slow), static_cast<double>(requests));
  quiet_periods_ = requests == 0 ? std::min(quiet_periods_ + 1, kIdlePeriods) : 0;
  if (std::exchange(was_cut_, false) || requests == 0) return;
  const double copied = CopiedPerSecond();
  if (slow * 100 > requests) {
    const auto floor = static_cast<double>(limits::kCopyFloorBytesPerSecond);
    limit_ = std::max(std::min(limit_, copied) / 2, floor);
    was_cut_ = true;
  } else if (debt_ == 0 && limit_ <= 2 * copied) {
    limit_ *= kRaise;
  }
}

void LatencyFeedback::Owe(double slow, double requests) {
  const double paid = requests * kPaidPerRequest;
  const double most = std::max(paid * kDebtPeriods, kLeastMaxDebt);
  debt_ = std::clamp(debt_ + slow - paid, 0.0, most);
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
