// Waits on a condition that end by the clock that counts suspended time. Internal to
// SystemRuntime.
#pragma once

#include <absl/synchronization/mutex.h>
#include <absl/time/time.h>

#include <thread>
#include <vector>

#include "engine/base/unique_fd.h"

namespace baton {

// absl's own waits with a timeout end at a wall clock time: after the clock has been set back they
// last that much longer, and a lease would run out. Here one thread sleeps on a CLOCK_BOOTTIME
// timer and wakes whoever is due. Thread-safe.
class DeadlineWaker {
 public:
  DeadlineWaker();
  ~DeadlineWaker();
  DeadlineWaker(const DeadlineWaker&) = delete;
  DeadlineWaker& operator=(const DeadlineWaker&) = delete;

  // As CondVar::Wait; wakes without a reason too, and soon after CLOCK_BOOTTIME has reached
  // `deadline`.
  void Wait(absl::CondVar& condition, absl::Mutex& mutex, absl::Duration deadline)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);

 private:
  struct Sleeper {
    absl::CondVar* condition;
    absl::Duration deadline;
  };

  void Arm(absl::Duration when) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Serve();
  bool WakeDue();

  const UniqueFd timer_;
  absl::Mutex mutex_;  // taken while the mutex of a caller is held, never the other way round
  std::vector<Sleeper*> sleepers_ ABSL_GUARDED_BY(mutex_);
  absl::Duration armed_ ABSL_GUARDED_BY(mutex_) = absl::InfiniteDuration();
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace baton
