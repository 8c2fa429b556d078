#include "engine/lease/pause_meter.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "engine/lease/lease_times.h"

namespace baton {
namespace {

constexpr absl::Duration kOneMoment = absl::Milliseconds(1);
// A rate that is lower than that share of the known one has to be seen twice.
constexpr double kCredible = 0.9;
// Ticks of some decades.
constexpr double kMostTicks = 4e18;

}  // namespace

PauseMeter::PauseMeter(Runtime& runtime, std::unique_ptr<PauseClock> clock)
    : runtime_(runtime), clock_(std::move(clock)) {
  Read();
}

// Nothing is learnt where the two clocks were not read at one moment. A pause between them leaves
// `ticks` too early, which is the safe side.
PauseMeter::Reading PauseMeter::Read() {
  const absl::Duration began = runtime_.BootTime();
  Reading now;
  now.ticks = Ticks();
  now.at = runtime_.BootTime();
  if (clock_ == nullptr || now.at - began >= kOneMoment) return now;
  const absl::MutexLock lock(&mutex_);
  Learn(now);
  return now;
}

void PauseMeter::Learn(const Reading& now) {
  const bool goes_on = before_.ticks != 0 && now.ticks > before_.ticks && now.at > before_.at;
  const absl::Duration span = now.at - before_.at;
  if (goes_on && span < kMinSpan) return;
  if (goes_on) {
    TakeRate(static_cast<double>(now.ticks - before_.ticks) / absl::ToDoubleNanoseconds(span));
  }
  before_ = now;
}

// The lowest that was seen: a pause can only make it higher. Too low a rate makes pauses of what
// are none.
void PauseMeter::TakeRate(double rate) {
  if (ticks_per_ns_ == 0 || rate >= kCredible * ticks_per_ns_) {
    ticks_per_ns_ = ticks_per_ns_ == 0 ? rate : std::min(ticks_per_ns_, rate);
    unconfirmed_ = 0;
  } else if (unconfirmed_ == 0) {
    unconfirmed_ = rate;
  } else {
    ticks_per_ns_ = std::max(unconfirmed_, rate);
    unconfirmed_ = 0;
  }
}

uint64_t PauseMeter::TicksAfter(const Reading& since, absl::Duration time) {
  const absl::MutexLock lock(&mutex_);
  if (clock_ == nullptr || ticks_per_ns_ == 0 || !Believed()) return kNever;
  const double longest_ns = absl::ToDoubleNanoseconds(time) * (100 + kClockRatePercent) / 100;
  const double ticks = ticks_per_ns_ * longest_ns;
  if (ticks + static_cast<double>(since.ticks) >= kMostTicks) return kNever;
  return since.ticks + static_cast<uint64_t>(ticks);
}

void PauseMeter::NoteDoubt() {
  bool gives_up = false;
  {
    const absl::MutexLock lock(&mutex_);
    const bool believed = Believed();
    doubts_.push_back(runtime_.BootTime());
    gives_up = believed && !Believed();
    // It may be the rate that was wrong.
    if (gives_up) ticks_per_ns_ = unconfirmed_ = 0;
  }
  if (gives_up) spdlog::warn("{}", Warning());
}

bool PauseMeter::Believed() {
  const absl::Duration oldest = runtime_.BootTime() - kDoubtLasts;
  while (!doubts_.empty() && doubts_.front() < oldest) doubts_.pop_front();
  return doubts_.size() < kMaxDoubts;
}

std::string PauseMeter::Warning() {
  const absl::MutexLock lock(&mutex_);
  if (Believed()) return "";
  return fmt::format(
      "this machine seemed to be paused {} times within {}, and no other node had taken over: "
      "pauses are not looked for until an hour has passed; find out who pauses it",
      kMaxDoubts, absl::FormatDuration(kDoubtLasts));
}

}  // namespace baton
