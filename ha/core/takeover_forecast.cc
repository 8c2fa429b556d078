#include "ha/core/takeover_forecast.h"

#include <algorithm>

namespace baton::ha {
namespace {

// Until a peer knows that the process was reaped, and its mount asks again.
constexpr absl::Duration kNotice = absl::Milliseconds(100);
// Where nobody has measured one.
constexpr absl::Duration kUsualRecovery = absl::Milliseconds(200);

// Until a proof is complete; nullopt: there will be none.
struct Wait {
  Proof proof;
  absl::Duration time;
};

absl::Duration TimeToFence(const CoordinatorOptions& options, const ForecastFacts& facts) {
  return facts.times.stale_after + options.fence_delay + facts.fence;
}

// Where only the clock tells.
std::optional<Wait> WaitByTime(const CoordinatorOptions& options, const ForecastFacts& facts) {
  const absl::Duration wait = WaitForOthers(facts.times);
  if (facts.times.watchdog > absl::ZeroDuration()) return Wait{Proof::kWatchdog, wait};
  if (options.takeover == Takeover::kFencedOnly) return std::nullopt;
  return Wait{Proof::kLease, wait};
}

std::optional<Wait> WaitForNode(const CoordinatorOptions& options, const ForecastFacts& facts) {
  if (options.takeover == Takeover::kManual || !facts.is_fit_peer) return std::nullopt;
  if (!options.has_fence) return WaitByTime(options, facts);
  if (!facts.fence_fails) return Wait{Proof::kFence, TimeToFence(options, facts)};
  std::optional<Wait> wait = WaitByTime(options, facts);
  // The lease counts only once the command has failed.
  if (wait) wait->time = std::max(wait->time, TimeToFence(options, facts));
  return wait;
}

// Its node may take it back, if nobody else does.
std::optional<Wait> WaitForProcess(const CoordinatorOptions& options, const ForecastFacts& facts) {
  const bool goes_on_elsewhere = options.takeover != Takeover::kManual && facts.is_fit_peer;
  if (options.certificate_counts) {
    return Wait{Proof::kCertificate, goes_on_elsewhere ? kNotice : options.hear_peer};
  }
  if (options.takeover == Takeover::kFencedOnly) return WaitForNode(options, facts);
  if (goes_on_elsewhere) return WaitByTime(options, facts);
  return Wait{Proof::kLease, facts.times.takeover_after};
}

TakeoverForecast ForecastOf(Loss loss, const std::optional<Wait>& wait,
                            const ForecastFacts& facts) {
  if (!wait) return {.loss = loss, .proof = std::nullopt};
  const bool is_measured = facts.recovery > absl::ZeroDuration();
  return {.loss = loss,
          .proof = wait->proof,
          .wait = wait->time + (is_measured ? facts.recovery : kUsualRecovery)};
}

}  // namespace

std::string Name(Loss loss) { return loss == Loss::kProcess ? "process" : "node"; }

std::vector<TakeoverForecast> ForecastTakeovers(const CoordinatorOptions& options,
                                                const ForecastFacts& facts) {
  return {ForecastOf(Loss::kProcess, WaitForProcess(options, facts), facts),
          ForecastOf(Loss::kNode, WaitForNode(options, facts), facts)};
}

}  // namespace baton::ha
