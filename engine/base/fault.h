// Where a floor reports that it cannot go on: the controller gives up its epoch.
#pragma once

#include <absl/synchronization/mutex.h>

#include <functional>

#include "engine/base/status.h"

namespace baton {

// Latches the first fault and tells `on_fault` of it, once, from the thread that reported it. A
// failed sync (DataLoss) says more than another fault, because nobody of this node may go on after
// it: it is told as well when it comes second, once. Thread-safe.
class Fault {
 public:
  explicit Fault(std::function<void(const absl::Status&)> on_fault)
      : on_fault_(std::move(on_fault)) {}

  // Returns Aborted with the reason of the first fault.
  absl::Status Report(const absl::Status& reason) {
    bool is_news = false;
    {
      absl::MutexLock guard(&mutex_);
      is_news = first_.ok() || (absl::IsDataLoss(reason) && !is_final_);
      is_final_ = is_final_ || absl::IsDataLoss(reason);
      if (first_.ok()) {
        first_ = absl::AbortedError(fmt::format("the engine stopped: {}", Message(reason)));
      }
    }
    if (is_news && on_fault_) on_fault_(reason);
    return Check();
  }

  // OK, or Aborted since the first fault.
  absl::Status Check() const {
    absl::MutexLock guard(&mutex_);
    return first_;
  }

 private:
  const std::function<void(const absl::Status&)> on_fault_;
  mutable absl::Mutex mutex_;
  absl::Status first_ ABSL_GUARDED_BY(mutex_);
  bool is_final_ ABSL_GUARDED_BY(mutex_) = false;  // a failed sync was told
};

}  // namespace baton
