// Runtime of the real world.
#pragma once

#include "engine/base/deadline_waker.h"
#include "engine/base/runtime.h"

namespace baton {

// CLOCK_BOOTTIME, the wall clock, and kernel threads. Every signal that can be blocked is blocked
// in the threads that it starts, so that only the main thread handles signals; those that a
// thread raises by its own fault (SIGSEGV and its kin) are not. It has a thread of its own: make
// it after a fork, not before. Thread-safe.
class SystemRuntime final : public Runtime {
 public:
  absl::Duration BootTime() const override;
  absl::Time WallTime() const override;
  std::unique_ptr<Thread> StartThread(const std::string& name, std::function<void()> body) override;
  void Wait(absl::CondVar& condition, absl::Mutex& mutex)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) override;
  void WaitUntil(absl::CondVar& condition, absl::Mutex& mutex, absl::Duration deadline)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) override;

 private:
  DeadlineWaker waker_;
};

}  // namespace baton
