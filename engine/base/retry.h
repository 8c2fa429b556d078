// Errors of storage that may be gone when it is asked again.
#pragma once

#include <absl/status/status.h>
#include <absl/synchronization/mutex.h>

#include "engine/base/limits.h"
#include "engine/base/runtime.h"

namespace baton {

// Not when the controller cannot go on, and not when storage is full: that takes somebody's help.
inline bool IsWorthRepeating(const absl::Status& status) {
  return !status.ok() && !absl::IsAborted(status) && !absl::IsResourceExhausted(status);
}

// The pause after an attempt that was the `failures`th to fail.
inline absl::Duration PauseAfter(int failures) {
  return absl::Milliseconds(limits::kCopyRetryDelayMs << failures);
}

inline void Rest(Runtime& runtime, absl::Duration duration) {
  absl::Mutex mutex;
  absl::CondVar never;
  const absl::Duration end = runtime.BootTime() + duration;
  absl::MutexLock guard(&mutex);
  while (runtime.BootTime() < end) runtime.WaitUntil(never, mutex, end);
}

// Calls `attempt`, which returns a status, until it succeeds, fails for good, or has failed
// limits::kCopyAttempts times; its last answer. No lock may be held.
template <typename Attempt>
absl::Status Repeated(Runtime& runtime, Attempt attempt) {
  for (int failures = 1;; ++failures) {
    absl::Status status = attempt();
    if (!IsWorthRepeating(status) || failures == limits::kCopyAttempts) return status;
    Rest(runtime, PauseAfter(failures));
  }
}

}  // namespace baton
