// Something that can be taken away, once nobody uses it any more.
#pragma once

#include <absl/base/thread_annotations.h>
#include <absl/synchronization/mutex.h>

namespace baton::ha {

// Refers to at most one T, which is the caller's. Thread-safe.
template <typename T>
class Drainable {
 public:
  // What was set when the use began; it stays until the use ends. False when nothing was.
  class Use {
   public:
    explicit Use(Drainable& drainable) : drainable_(drainable), target_(drainable.BeginUse()) {}
    ~Use() {
      if (target_ != nullptr) drainable_.EndUse();
    }
    Use(const Use&) = delete;
    Use& operator=(const Use&) = delete;

    explicit operator bool() const { return target_ != nullptr; }
    T* operator->() const { return target_; }
    T& operator*() const { return *target_; }

   private:
    Drainable& drainable_;
    T* const target_;
  };

  // REQUIRES: nothing is set.
  void Set(T& target) {
    absl::MutexLock lock(&mutex_);
    target_ = &target;
  }

  // No use that begins from now on finds the target; returns when all uses have ended. Not from
  // inside one.
  void Drain() {
    absl::MutexLock lock(&mutex_);
    target_ = nullptr;
    while (uses_ > 0) unused_.Wait(&mutex_);
  }

 private:
  T* BeginUse() {
    absl::MutexLock lock(&mutex_);
    if (target_ != nullptr) ++uses_;
    return target_;
  }
  void EndUse() {
    absl::MutexLock lock(&mutex_);
    if (--uses_ == 0) unused_.SignalAll();
  }

  absl::Mutex mutex_;
  absl::CondVar unused_;
  T* target_ ABSL_GUARDED_BY(mutex_) = nullptr;
  int uses_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace baton::ha
