#include "ha/node/owner_times.h"

#include <fmt/format.h>

#include "ha/io/peer_settings.h"

namespace baton::ha {
namespace {

void AddOther(const char* name, uint64_t theirs_us, absl::Duration ours, const std::string& node,
              std::string& text) {
  const absl::Duration theirs = absl::Microseconds(theirs_us);
  if (theirs == ours) return;
  text += fmt::format("{} {} {}, node {} {}", text.empty() ? "has" : ";", name,
                      absl::FormatDuration(theirs), node, absl::FormatDuration(ours));
}

}  // namespace

// An owner that is stopped with a request on its hands, or whose storage does not answer, is killed
// by the lease's timer before another one may claim. The end of a connection is noticed there by
// TCP's probes.
absl::Duration LongestDoubt(const OwnerTimes& owner) {
  return kStreamGone + TakeoverWait(owner);
}

event::OwnerTimes TimesForCoordinator(const OwnerTimes& owner) {
  return {.stale_after = StaleAfter(owner),
          .takeover_after = owner.takeover,
          .watchdog = owner.watchdog};
}

void AddTimes(const OwnerTimes& own, Heartbeat& heartbeat) {
  AdvertisedTimes& times = *heartbeat.mutable_times();
  const auto us = [](absl::Duration time) {
    return static_cast<uint64_t>(absl::ToInt64Microseconds(time));
  };
  times.set_renew_us(us(own.renew));
  times.set_stop_us(us(own.stop));
  times.set_valid_us(us(own.valid));
  times.set_takeover_us(us(own.takeover));
  times.set_watchdog_us(us(own.watchdog));
}

std::string OtherTimes(const Heartbeat& heartbeat, const OwnerTimes& own, const std::string& node) {
  if (!heartbeat.has_times()) return "";
  const AdvertisedTimes& times = heartbeat.times();
  std::string text;
  AddOther("lease.renew", times.renew_us(), own.renew, node, text);
  AddOther("lease.stop", times.stop_us(), own.stop, node, text);
  AddOther("lease.valid", times.valid_us(), own.valid, node, text);
  AddOther("lease.takeover", times.takeover_us(), own.takeover, node, text);
  AddOther("watchdog", times.watchdog_us(), own.watchdog, node, text);
  return text.empty() ? text : text + ": each is judged by its own, give them the same settings";
}

}  // namespace baton::ha
