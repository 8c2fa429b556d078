// Keeps a copy to what a LatencyFeedback allows.
#pragma once

#include <absl/time/time.h>

#include <cstdint>
#include <memory>

#include "engine/clone/clone_run.h"
#include "engine/clone/latency_feedback.h"
#include "engine/clone/throttle.h"
#include "engine/volume/io_path.h"

namespace baton {

// Times the hosts' I/O on source and target of a run for as long as it lives, and says in the run's
// PaceReport what it sees and does. Not thread-safe, but for the report.
class LatencyPacer {
 public:
  LatencyPacer(std::shared_ptr<CloneRun> run, absl::Duration target, absl::Duration now);
  ~LatencyPacer() { run_->pace_report().is_on = false; }
  LatencyPacer(const LatencyPacer&) = delete;
  LatencyPacer& operator=(const LatencyPacer&) = delete;

  // When to Look next.
  absl::Duration next_look() const { return last_look_ + LatencyFeedback::kPeriod; }
  void Look(absl::Duration now);

  // As those of Throttle. Steps are as long at a low rate as at a high one: what disturbs hosts
  // most is the sync at the end of each.
  void Spend(absl::Duration now, uint64_t bytes);
  absl::Duration NextStart() const { return throttle_.NextStart(); }

 private:
  LatencyCounts Load() const;

  const std::shared_ptr<CloneRun> run_;
  const PathTiming source_;
  const PathTiming target_;
  LatencyFeedback feedback_;
  Throttle throttle_;
  absl::Duration last_look_;
  LatencyCounts counted_;      // until then
  uint64_t copied_bytes_ = 0;  // since then
};

}  // namespace baton
