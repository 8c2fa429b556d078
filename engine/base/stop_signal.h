// The end of something, told to those who wait meanwhile.
#pragma once

#include <absl/base/thread_annotations.h>
#include <absl/synchronization/mutex.h>
#include <absl/time/time.h>

#include "engine/base/runtime.h"

namespace baton {

// Thread-safe.
class StopSignal {
 public:
  explicit StopSignal(Runtime& runtime) : runtime_(runtime) {}

  // For good. Whoever rests goes on at once.
  void Stop() {
    absl::MutexLock lock(&mutex_);
    stopped_ = true;
    changed_.SignalAll();
  }
  bool stopped() const {
    absl::MutexLock lock(&mutex_);
    return stopped_;
  }
  // Waits for `time`, or until Stop(): then the answer is false.
  bool Rest(absl::Duration time) {
    const absl::Duration until = runtime_.BootTime() + time;
    absl::MutexLock lock(&mutex_);
    while (!stopped_ && runtime_.BootTime() < until) runtime_.WaitUntil(changed_, mutex_, until);
    return !stopped_;
  }

 private:
  Runtime& runtime_;
  mutable absl::Mutex mutex_;
  absl::CondVar changed_;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace baton
