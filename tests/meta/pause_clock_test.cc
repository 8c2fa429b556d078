#include "engine/lease/pause_clock.h"

#include "tests/base/machine_files.h"
#include "tests/base/testing.h"

namespace baton {
namespace {

class PauseClockTest : public testing::Test {
 protected:
  void WriteMachine(const std::string& flags, const std::string& source) {
    files_.Write("/proc/cpuinfo", "processor\t: 0\nflags\t\t: " + flags);
    files_.Write("/sys/devices/system/clocksource/clocksource0/current_clocksource", source);
  }
  std::unique_ptr<PauseClock> Make() { return MakePauseClock(files_.root()); }

  MachineFiles files_;
};

TEST_F(PauseClockTest, IsForGuestsWhoseOwnClockStandsStill) {
  EXPECT_EQ(Make(), nullptr);
  WriteMachine("fpu constant_tsc", "tsc");
  EXPECT_EQ(Make(), nullptr) << "a real machine";
  WriteMachine("fpu constant_tsc hypervisor", "tsc");
  EXPECT_EQ(Make(), nullptr) << "CLOCK_BOOTTIME is that counter";
  WriteMachine("fpu hypervisor", "kvm-clock");
  EXPECT_EQ(Make(), nullptr) << "its rate may change";
#if defined(__x86_64__)
  WriteMachine("fpu constant_tsc hypervisor", "kvm-clock");
  const auto clock = Make();
  ASSERT_NE(clock, nullptr);
  const uint64_t before = clock->Ticks();
  EXPECT_GT(clock->Ticks(), before);
#endif
}

}  // namespace
}  // namespace baton
