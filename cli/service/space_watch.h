// How much space is left, and for how long: of the pool's file system, of the pool's reserve, and
// of the file system of the log, where that is a file.
#pragma once

#include <absl/base/thread_annotations.h>
#include <absl/synchronization/mutex.h>
#include <absl/time/time.h>

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/base/runtime.h"
#include "engine/base/stop_signal.h"
#include "engine/base/storage.h"
#include "engine/lease/reserve.h"

namespace baton {

// Of what a file system holds, in percent: with less than that free there is an alarm.
struct SpaceLevels {
  double warning_percent = 10;
  double critical_percent = 3;
};

enum class SpaceLevel { kEnough, kWarning, kCritical };

// One file system. Not thread-safe.
class SpaceGauge {
 public:
  // `name`: "the pool", as the alarm calls it.
  SpaceGauge(std::string name, SpaceLevels levels) : name_(std::move(name)), levels_(levels) {}

  // What was found at `now` (of Runtime::BootTime). 0 of 0: nothing is known.
  void Note(absl::Duration now, uint64_t free_bytes, uint64_t total_bytes);

  // A level ends when a tenth more than its limit is free.
  SpaceLevel level() const { return level_; }
  // Until nothing is free, at the pace of the last ten minutes; infinite: it does not fill.
  absl::Duration TimeToFull() const;
  // "the pool has 1.2 GiB of 100 GiB free (1 %), and is full in 2 h at the present pace"
  std::string Text() const;
  uint64_t free_bytes() const { return samples_.empty() ? 0 : samples_.back().free_bytes; }
  uint64_t total_bytes() const { return total_bytes_; }

 private:
  struct Sample {
    absl::Duration at;
    uint64_t free_bytes = 0;
  };

  double FreePercent() const;

  const std::string name_;
  const SpaceLevels levels_;
  std::deque<Sample> samples_;  // of the last ten minutes, the oldest first
  uint64_t total_bytes_ = 0;
  SpaceLevel level_ = SpaceLevel::kEnough;
};

// What of it is shown.
struct SpaceStatus {
  SpaceReading pool;
  absl::Duration time_to_full = absl::InfiniteDuration();
  std::vector<std::string> warnings;  // there is less than there should be
  std::vector<std::string> critical;  // soon nothing works any more
};

// Logs when there is an alarm, and when it is over. Thread-safe.
class SpaceWatch {
 public:
  SpaceWatch(Runtime& runtime, SpaceLevels levels)
      : runtime_(runtime), pool_("the pool", levels), log_("the file system of the log", levels) {}

  // What was measured just now, some seconds after the time before. Of the log it looks itself.
  void Note(const SpaceReading& pool);
  // As of that; never waits for storage.
  SpaceStatus Describe() const;

 private:
  void NoteReserve(uint64_t bytes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void LogChanges(const SpaceStatus& status);

  Runtime& runtime_;
  mutable absl::Mutex mutex_;
  SpaceGauge pool_ ABSL_GUARDED_BY(mutex_);
  SpaceGauge log_ ABSL_GUARDED_BY(mutex_);
  uint64_t reserve_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  bool reserve_is_short_ ABSL_GUARDED_BY(mutex_) = false;  // twice in a row: nobody is filling it
  bool reserve_was_short_ ABSL_GUARDED_BY(mutex_) = false;
  SpaceLevel logged_ ABSL_GUARDED_BY(mutex_) = SpaceLevel::kEnough;
};

// Measures the pool's storage for `watch`, once at the start and then on a thread of its own:
// storage may hang. (A controller with peers has a thread that looks at it anyway.)
class SpaceMeter {
 public:
  SpaceMeter(Storage& storage, Runtime& runtime, SpaceWatch& watch);
  ~SpaceMeter();  // waits for a measurement that is under way
  SpaceMeter(const SpaceMeter&) = delete;
  SpaceMeter& operator=(const SpaceMeter&) = delete;

 private:
  void Measure();

  Storage& storage_;
  SpaceWatch& watch_;
  StopSignal stop_;
  std::unique_ptr<Thread> thread_;
};

}  // namespace baton
