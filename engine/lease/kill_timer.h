// The last resort of a lease: at a given time this process is dead, whatever it is doing.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include <memory>

namespace baton {

class KillTimer {
 public:
  virtual ~KillTimer() = default;  // disarms
  // The process is killed when BootTime() reaches `deadline`, which replaces any earlier one.
  virtual absl::Status Arm(absl::Duration deadline) = 0;
  virtual void Disarm() = 0;
};

// A kernel timer on CLOCK_BOOTTIME that sends SIGKILL: it also kills a process that is stopped,
// frozen or starved, before that executes another instruction. It does not cover what is already
// in the kernel, nor a virtual machine that is suspended as a whole. Not inherited by fork.
absl::StatusOr<std::unique_ptr<KillTimer>> MakeKillTimer();

}  // namespace baton
