// What a clock that goes on in a pause tells of pauses of this machine.
#pragma once

#include <absl/base/thread_annotations.h>
#include <absl/synchronization/mutex.h>
#include <absl/time/time.h>

#include <cstdint>
#include <deque>
#include <memory>
#include <string>

#include "engine/base/runtime.h"
#include "engine/lease/pause_clock.h"

namespace baton {

// One for the whole process, so that the rate of the clock is known when an epoch is claimed.
// Thread-safe.
class PauseMeter {
 public:
  // `clock` may be null: then no pause is ever noticed.
  PauseMeter(Runtime& runtime, std::unique_ptr<PauseClock> clock);

  struct Reading {
    absl::Duration at;   // BootTime
    uint64_t ticks = 0;  // at that moment or a bit earlier
  };
  static constexpr uint64_t kNever = UINT64_MAX;
  // The rate is measured over no less.
  static constexpr absl::Duration kMinSpan = absl::Milliseconds(250);
  // After so many doubts within kDoubtLasts in which nobody had claimed, the clock is not believed.
  static constexpr int kMaxDoubts = 3;
  static constexpr absl::Duration kDoubtLasts = absl::Hours(1);

  // Reads both clocks and learns the rate. For one caller in half a second or so.
  Reading Read();
  // 0 without a clock. Some 10 ns, no lock.
  uint64_t Ticks() const { return clock_ == nullptr ? 0 : clock_->Ticks(); }
  // The ticks by which `time` has passed since then, at whatever rate clocks may differ. kNever:
  // the rate is not known, or the clock is not believed.
  uint64_t TicksAfter(const Reading& since, absl::Duration time);
  // The machine seemed to be paused.
  void NoteDoubt();
  // One line for users while the clock is not believed; else empty.
  std::string Warning();

 private:
  void Learn(const Reading& now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void TakeRate(double rate) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool Believed() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  Runtime& runtime_;
  const std::unique_ptr<PauseClock> clock_;

  absl::Mutex mutex_;  // a last one
  Reading before_ ABSL_GUARDED_BY(mutex_);
  double ticks_per_ns_ ABSL_GUARDED_BY(mutex_) = 0;  // 0: not known
  double unconfirmed_ ABSL_GUARDED_BY(mutex_) = 0;   // a rate that is much lower; 0: none
  std::deque<absl::Duration> doubts_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace baton
