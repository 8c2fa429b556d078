#include "engine/clone/latency_pacer.h"

#include <utility>

namespace baton {

LatencyPacer::LatencyPacer(std::shared_ptr<CloneRun> run, absl::Duration target, absl::Duration now)
    : run_(std::move(run)),
      source_(run_->source()->path),
      target_(run_->target()->path),
      feedback_(target),
      throttle_(feedback_.limit()),
      last_look_(now),
      counted_(Load()) {}

void LatencyPacer::Look(absl::Duration now) {
  const LatencyCounts counted = Load();
  LatencyFeedback::Period period = {now - last_look_, counted, std::exchange(copied_bytes_, 0)};
  period.requests -= std::exchange(counted_, counted);
  last_look_ = now;
  feedback_.Note(period);
  throttle_.Adjust(now, feedback_.limit());
  PaceReport& report = run_->pace_report();
  report.host_p99_us = absl::ToInt64Microseconds(feedback_.p99());
  report.limit_bytes_per_second = feedback_.limit();
  report.is_on = true;
}

void LatencyPacer::Spend(absl::Duration now, uint64_t bytes) {
  copied_bytes_ += bytes;
  throttle_.Spend(now, bytes);
}

LatencyCounts LatencyPacer::Load() const {
  LatencyCounts counts = source_.Load();
  counts += target_.Load();
  return counts;
}

}  // namespace baton
