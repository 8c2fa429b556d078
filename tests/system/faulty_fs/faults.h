// What the storage of one node does wrong at the moment.
#pragma once

#include <absl/base/thread_annotations.h>
#include <absl/synchronization/mutex.h>
#include <absl/time/time.h>
#include <sys/types.h>

#include <cstdint>
#include <string>

namespace baton::faulty {

enum class Operation { kRead, kWrite, kSync, kOther };

// Thread-safe.
class Faults {
 public:
  // `proc`: a descriptor of /proc in which processes have the numbers that Meet() is told.
  explicit Faults(int proc) : proc_(proc) {}

  // Takes a line, "SCOPE FAULT" or one of the last two words; false when it is none.
  //   SCOPE  all | writes (and whatever else changes something, syncs too) | syncs
  //   FAULT  eio          operations fail
  //          hang         they wait; those of a killed process are given up, never carried out
  //          stuck        they wait; a killed process cannot end before
  //          delay MS     they take longer
  //   heal   operations are well, and those that wait are carried out
  //   fence  operations are well, but those that wait fail and are never carried out
  bool Tell(const std::string& line);

  // To be called by an operation of process `caller` before it does anything. May wait. Returns 0,
  // or the negative errno that the operation must end with.
  int Meet(Operation operation, pid_t caller);

  // How many operations met a fault since the last one began.
  uint64_t met() const;

 private:
  enum class Kind { kNone, kError, kHang, kStuck, kDelay };
  enum class Scope { kAll, kWrites, kSyncs };

  bool Concerns(Operation operation) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  int WaitForTheEnd(pid_t caller) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Begin(Kind kind, Scope scope, int64_t delay_ms);
  bool IsKilled(pid_t process) const;

  const int proc_;
  mutable absl::Mutex mutex_;
  Kind kind_ ABSL_GUARDED_BY(mutex_) = Kind::kNone;
  Scope scope_ ABSL_GUARDED_BY(mutex_) = Scope::kAll;
  absl::Duration delay_ ABSL_GUARDED_BY(mutex_);
  uint64_t fences_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t met_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace baton::faulty
