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
//
// The settings of two nodes may differ, for as long as they are being changed at least. So an
// owner writes its times into its record, and a standby goes by those.
#pragma once

#include <absl/status/status.h>
#include <absl/time/time.h>

#include <algorithm>
#include <optional>

#include "engine/base/status.h"

namespace baton {

struct LeaseTimes {
  absl::Duration renew = absl::Milliseconds(500);
  absl::Duration stop = absl::Seconds(3);
  absl::Duration valid = absl::Seconds(4);
  absl::Duration takeover = absl::Seconds(5);
  absl::Duration poll = absl::Milliseconds(100);  // how often a standby looks
};

// The times of one owner, by its own settings, as its lease record tells them: whole microseconds.
struct OwnerTimes {
  absl::Duration renew, stop, valid, takeover;  // as in LeaseTimes
  // It feeds a watchdog after each renewal, which resets its node after this long; zero: it does
  // not.
  absl::Duration watchdog;

  bool operator==(const OwnerTimes&) const = default;
};

inline OwnerTimes OwnerTimesOf(const LeaseTimes& times, absl::Duration watchdog) {
  const auto rounded = [](absl::Duration time) {
    return absl::Floor(time + absl::Nanoseconds(500), absl::Microseconds(1));
  };
  return {.renew = rounded(times.renew),
          .stop = rounded(times.stop),
          .valid = rounded(times.valid),
          .takeover = rounded(times.takeover),
          .watchdog = rounded(watchdog)};
}

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

// Since when a record does not change before its owner is asked to stop, or fenced: a share of the
// time until takeover, but never because of one renewal that is late.
inline absl::Duration StaleAfter(const OwnerTimes& owner) {
  return std::max(0.4 * owner.takeover, 2.5 * owner.renew);
}

// For how long a record has to be unchanged before another node may claim.
inline absl::Duration TakeoverWait(const OwnerTimes& owner) {
  return owner.takeover + owner.watchdog * (100 + 2 * kClockRatePercent) / 100;
}

// By which times an owner is judged. `told`: by its record; nullopt: it is of an older program,
// which did not tell, and has had either the defaults or settings like this node's.
inline OwnerTimes JudgeBy(const std::optional<OwnerTimes>& told, const OwnerTimes& own) {
  if (told) return *told;
  const LeaseTimes defaults;
  return {.renew = std::max(own.renew, defaults.renew),
          .stop = std::max(own.stop, defaults.stop),
          .valid = std::max(own.valid, defaults.valid),
          .takeover = std::max(own.takeover, defaults.takeover),
          .watchdog = own.watchdog};
}

}  // namespace baton
