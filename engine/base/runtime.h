// Time and threads, handed in so that tests can own both. Production: SystemRuntime
// (system_runtime.h). Tests: a seeded scheduler that runs one task at a time in virtual time.
#pragma once

#include <absl/base/thread_annotations.h>
#include <absl/synchronization/mutex.h>
#include <absl/time/time.h>

#include <functional>
#include <memory>
#include <string>

namespace baton {

// A running thread; the destructor waits for its end.
class Thread {
 public:
  virtual ~Thread() = default;
};

class Runtime {
 public:
  virtual ~Runtime() = default;

  // CLOCK_BOOTTIME: monotonic, goes on while the machine is suspended.
  virtual absl::Duration BootTime() const = 0;
  // For records that people read; never for decisions.
  virtual absl::Time WallTime() const = 0;

  // `name`: at most 15 characters.
  virtual std::unique_ptr<Thread> StartThread(const std::string& name,
                                              std::function<void()> body) = 0;

  // Releases `mutex`, waits, takes it again. Wakes on `condition` and without a reason: callers
  // loop over their predicate. These two are the only places where the engine waits for another
  // thread; no mutex may be held over I/O, so that a scheduler which switches only at I/O and
  // here sees every interleaving and never blocks.
  virtual void Wait(absl::CondVar& condition, absl::Mutex& mutex)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) = 0;
  // As Wait, and wakes when BootTime() reaches `deadline`.
  virtual void WaitUntil(absl::CondVar& condition, absl::Mutex& mutex, absl::Duration deadline)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) = 0;
};

}  // namespace baton
