// The arithmetic of the lease. Each node uses its own CLOCK_BOOTTIME; nobody compares clocks. The
// rates of two clocks differ by less than 1 %.
//
// Owner, in seconds since it *issued* its last renewal that succeeded (before the write, so that
// a write that takes long shortens the lease instead of stretching it):
//
//   0.0   renewal issued; the record on storage changes some time after this
//   0.5   the next one is issued (renew). Six may be late or fail before it matters
//   3.0   stop: no new I/O is admitted, nothing is acknowledged, the lease is lost for good. What
//         was issued before has one second to end
//   4.0   valid: the kernel kills the process, even if it is stopped
//
// Standby, in seconds since it first saw the record as it is, on its own clock; that is not
// before the owner issued it, so each of these comes later than the same second of the owner:
//
//   4.04  the owner has reached its 4.0, whichever of the clocks is the faster one
//   5.0   takeover: unchanged all the time, so the owner is gone; the next epoch may be claimed
#pragma once

#include <absl/status/status.h>
#include <absl/time/time.h>

#include "engine/base/status.h"

namespace baton {

struct LeaseTimes {
  absl::Duration renew = absl::Milliseconds(500);
  absl::Duration stop = absl::Seconds(3);
  absl::Duration valid = absl::Seconds(4);
  absl::Duration takeover = absl::Seconds(5);
  absl::Duration poll = absl::Milliseconds(100);  // how often a standby looks
};

// The greatest difference between the rates of two clocks, both ways.
inline constexpr int kClockRatePercent = 1;

// InvalidArgument: these times do not keep one owner from another.
inline absl::Status CheckLeaseTimes(const LeaseTimes& times) {
  const auto refuse = [](const char* rule) {
    return Error(absl::StatusCode::kInvalidArgument, "lease times are unsafe: {}", rule);
  };
  if (times.renew <= absl::ZeroDuration()) return refuse("renew must be positive");
  if (times.poll <= absl::ZeroDuration()) return refuse("poll must be positive");
  if (3 * times.renew > times.stop) return refuse("stop must be at least 3 x renew");
  if (times.stop >= times.valid) return refuse("valid must be greater than stop");
  // One clock slow, the other fast: twice the difference.
  if (times.takeover * 100 <= times.valid * (100 + 2 * kClockRatePercent) + times.poll * 100) {
    return refuse("takeover must be greater than valid + 2 % + poll");
  }
  return absl::OkStatus();
}

}  // namespace baton
