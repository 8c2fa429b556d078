// The epoch that this controller serves, as far as its commands need to know.
#pragma once

#include <absl/base/thread_annotations.h>
#include <absl/synchronization/mutex.h>
#include <absl/time/time.h>

#include <string>

#include "engine/base/runtime.h"

namespace baton::ha {

// Commands wait for things of an epoch; they stop when its seal begins. Thread-safe.
class ServedEpoch {
 public:
  struct Facts {
    bool follows_failure = false;  // the owner before did not end in order
    std::string off_node = {};     // the owner before, where it was proven to be off; else empty
    absl::Duration since = {};     // Begin sets it
  };

  explicit ServedEpoch(Runtime& runtime) : runtime_(runtime) {}

  void Begin(Facts facts);
  // It is being sealed: whoever waits goes on at once.
  void End();
  // This object is about to end: as End, and no epoch begins any more.
  void Stop();

  bool ending() const;
  // Of the epoch that has begun last.
  Facts facts() const;
  // It is so young, and follows a failure, so that the owner before may have met the same error.
  bool MayRepeatFailure() const;
  // Waits for `time`, or until the epoch ends: then the answer is false.
  bool Rest(absl::Duration time);

 private:
  Runtime& runtime_;
  mutable absl::Mutex mutex_;
  absl::CondVar changed_;
  Facts facts_ ABSL_GUARDED_BY(mutex_);
  bool ending_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace baton::ha
