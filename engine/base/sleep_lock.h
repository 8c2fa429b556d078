// A lock that may be held over I/O: whoever waits for it waits through the Runtime.
#pragma once

#include <absl/base/thread_annotations.h>
#include <absl/synchronization/mutex.h>

#include "engine/base/race_point.h"
#include "engine/base/runtime.h"

namespace baton {

// Serialises long sections (commands, record changes). Never on the data path.
class ABSL_LOCKABLE SleepLock {
 public:
  explicit SleepLock(Runtime& runtime) : runtime_(runtime) {}

  class ABSL_SCOPED_LOCKABLE Guard {
   public:
    explicit Guard(SleepLock& lock) ABSL_EXCLUSIVE_LOCK_FUNCTION(lock) : lock_(lock) {
      lock_.Acquire();
    }
    ~Guard() ABSL_UNLOCK_FUNCTION() { lock_.Release(); }
    Guard(const Guard&) = delete;
    Guard& operator=(const Guard&) = delete;

   private:
    SleepLock& lock_;
  };

 private:
  void Acquire() {
    absl::MutexLock guard(&mutex_);
    while (held_) runtime_.Wait(released_, mutex_);
    held_ = true;
  }
  void Release() {
    {
      absl::MutexLock guard(&mutex_);
      held_ = false;
      released_.Signal();
    }
    BATON_RACE_POINT();
  }

  Runtime& runtime_;
  absl::Mutex mutex_;
  absl::CondVar released_;
  bool held_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace baton
