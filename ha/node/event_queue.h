// What happened, on its way to the coordinator.
#pragma once

#include <absl/base/thread_annotations.h>
#include <absl/synchronization/mutex.h>
#include <absl/time/time.h>

#include <utility>
#include <vector>

#include "engine/base/runtime.h"
#include "ha/core/events.h"

namespace baton::ha {

// Any thread posts, one takes. Thread-safe.
class EventQueue {
 public:
  explicit EventQueue(Runtime& runtime) : runtime_(runtime) {}

  void Post(Event event) {
    absl::MutexLock lock(&mutex_);
    events_.push_back(std::move(event));
    changed_.SignalAll();
  }
  // All that was posted, in that order. Waits for the first one until `deadline`, or until Stop().
  std::vector<Event> Take(absl::Duration deadline) {
    absl::MutexLock lock(&mutex_);
    while (events_.empty() && !stopped_ && runtime_.BootTime() < deadline) {
      runtime_.WaitUntil(changed_, mutex_, deadline);
    }
    return std::exchange(events_, {});
  }
  // Nobody takes any more.
  void Stop() {
    absl::MutexLock lock(&mutex_);
    stopped_ = true;
    changed_.SignalAll();
  }
  bool stopped() const {
    absl::MutexLock lock(&mutex_);
    return stopped_;
  }

 private:
  Runtime& runtime_;
  mutable absl::Mutex mutex_;
  absl::CondVar changed_;
  std::vector<Event> events_ ABSL_GUARDED_BY(mutex_);
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace baton::ha
