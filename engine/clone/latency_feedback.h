// Finds how fast a copy may be so that requests of hosts stay below a latency.
#pragma once

#include <absl/time/time.h>

#include <array>
#include <cstdint>

#include "engine/base/latency_histogram.h"
#include "engine/base/limits.h"

namespace baton {

// Once a period it is told what requests took and how much was copied, and changes the limit by a
// factor:
//   - half, when more than one request in a hundred took longer than the goal. The period after
//     that cuts nothing: its requests still met what was copied before.
//   - up by kRaise, when there is no debt.
// A request that takes longer is a debt of one, which 200 requests pay back. Not more is owed than
// kDebtPeriods pay back, or kLeastMaxDebt.
//
// Why: it is the debt that keeps the percentile. Whatever a raise leads to, the next one comes when
// not more than one request in 200 has been too slow, however busy the host is, and also where a
// step of a copy disturbs many requests at once. Nothing has to be known of the storage. Both are
// factors, because what storage can do differs by four orders of magnitude. (An additive raise
// would share fairly between copies, which nobody asks for: the least that each gets is the floor.)
//
// The goal is 80 % of the target: a bucket of the histogram is up to 12.5 % wide, and a host also
// waits for its way to the volume. The limit is never below limits::kCopyFloorBytesPerSecond, so
// that the copy comes to its end also when the target cannot be reached at all. Nor is it raised
// beyond twice what is copied, so that the next cut takes effect. Without a request for
// kIdlePeriods there is no limit; the next request brings it back as it was.
//
// Pure: not thread-safe, no clock.
class LatencyFeedback {
 public:
  static constexpr absl::Duration kPeriod = absl::Milliseconds(100);
  static constexpr int kIdlePeriods = 20;
  static constexpr int kWindowPeriods = 10;  // of the percentile that is shown, and of the rate
  static constexpr uint64_t kStartBytesPerSecond = 16 * limits::kMiB;
  static constexpr double kRaise = 1.1;
  static constexpr double kPaidPerRequest = 0.005;
  static constexpr int kDebtPeriods = 100;
  static constexpr double kLeastMaxDebt = 2;

  explicit LatencyFeedback(absl::Duration target) : goal_(target * 0.8) {}

  struct Period {
    absl::Duration length = kPeriod;
    LatencyCounts requests = {};
    uint64_t copied_bytes = 0;
  };
  void Note(const Period& period);

  // Bytes a second; 0: no limit.
  uint64_t limit() const {
    return quiet_periods_ < kIdlePeriods ? static_cast<uint64_t>(limit_) : 0;
  }
  // Of the requests of the last kWindowPeriods; zero: there were none.
  absl::Duration p99() const { return window_sum_.Percentile(99); }

 private:
  void Remember(const Period& period);
  void Owe(double slow, double requests);
  double CopiedPerSecond() const;

  const absl::Duration goal_;
  double limit_ = kStartBytesPerSecond;
  int quiet_periods_ = kIdlePeriods;
  bool was_cut_ = false;  // in the last period
  double debt_ = 0;       // in requests
  std::array<Period, kWindowPeriods> window_{};
  size_t next_ = 0;  // in window_
  LatencyCounts window_sum_;
};

}  // namespace baton
