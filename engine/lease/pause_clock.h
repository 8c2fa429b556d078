// A clock that goes on while a hypervisor has this machine paused.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

namespace baton {

// Thread-safe.
class PauseClock {
 public:
  virtual ~PauseClock() = default;
  // At a rate that is the same all the time, and not known. Some 10 ns.
  virtual uint64_t Ticks() const = 0;
};

// The time-stamp counter of x86, where the guest of a hypervisor takes its time from kvm-clock:
// that stands still while the guest is paused and the counter does not. nullptr: there is none, or
// none is needed (a guest whose clock source is the counter itself sees the pause in
// CLOCK_BOOTTIME). An emulated processor, and a guest that was saved and restored, have a counter
// that stood still, too. `root`: above /proc and /sys, for tests.
std::unique_ptr<PauseClock> MakePauseClock(const std::string& root = "");

}  // namespace baton
