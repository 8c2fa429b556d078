#include "engine/lease/pause_meter.h"

#include <functional>
#include <memory>

#include "tests/base/testing.h"
#include "tests/sim/sim_machine.h"

namespace baton {
namespace {

class GivenClock final : public PauseClock {
 public:
  explicit GivenClock(const uint64_t& ticks) : ticks_(ticks) {}
  uint64_t Ticks() const override { return ticks_; }

 private:
  const uint64_t& ticks_;
};

class PauseMeterTest : public testing::Test {
 protected:
  // So much time, in which the clock has the given rate; then both are read.
  PauseMeter::Reading Pass(absl::Duration time, double rate) {
    ticks_ += static_cast<uint64_t>(rate * absl::ToDoubleNanoseconds(time));
    machine_.runtime().SleepFor(time);
    return pauses_.Read();
  }
  // What is known now of the rate; 0: nothing.
  double Rate() {
    const PauseMeter::Reading now{.at = machine_.runtime().BootTime(), .ticks = ticks_};
    const uint64_t after = pauses_.TicksAfter(now, absl::Seconds(1));
    return after == PauseMeter::kNever ? 0 : static_cast<double>(after - ticks_) / 1.01e9;
  }
  void Run(const std::function<void()>& body) { machine_.runtime().Run(body); }

  sim::SimMachine machine_{1};
  uint64_t ticks_ = 1'000'000'000;
  PauseMeter pauses_{machine_.runtime(), std::make_unique<GivenClock>(ticks_)};
};

constexpr absl::Duration kTurn = absl::Milliseconds(500);

TEST_F(PauseMeterTest, TheLowestRateOfLongSpansCounts) {
  Run([&] {
    Pass(absl::Milliseconds(3), 0.5);
    EXPECT_EQ(Rate(), 0) << "too short a span";
    Pass(kTurn, 3);
    EXPECT_NEAR(Rate(), 3, 0.1);
    Pass(kTurn, 40);
    EXPECT_NEAR(Rate(), 3, 0.1) << "a pause was in it";
    Pass(kTurn, 2.9);
    EXPECT_NEAR(Rate(), 2.9, 0.05);
  });
}

TEST_F(PauseMeterTest, AMuchLowerRateHasToBeSeenTwice) {
  Run([&] {
    Pass(kTurn, 3);
    Pass(kTurn, 1);
    Pass(kTurn, 3);
    Pass(kTurn, 1);
    EXPECT_NEAR(Rate(), 3, 0.1);
    Pass(kTurn, 1.1);
    EXPECT_NEAR(Rate(), 1.1, 0.05);
  });
}

TEST_F(PauseMeterTest, AClockThatWentBackTeachesNothing) {
  Run([&] {
    Pass(kTurn, 3);
    ticks_ /= 2;
    Pass(kTurn, 0);
    EXPECT_NEAR(Rate(), 3, 0.1);
    Pass(kTurn, 3);
    EXPECT_NEAR(Rate(), 3, 0.1);
    ticks_ = UINT64_MAX - 1000;
    EXPECT_EQ(Rate(), 0) << "no sum may overflow";
  });
}

TEST_F(PauseMeterTest, IsNotBelievedAfterThreeDoubtsOfAnHourAndThenAgain) {
  Run([&] {
    Pass(kTurn, 3);
    for (int doubt = 0; doubt < PauseMeter::kMaxDoubts; ++doubt) {
      EXPECT_EQ(pauses_.Warning(), "");
      EXPECT_NEAR(Rate(), 3, 0.1);
      pauses_.NoteDoubt();
      Pass(absl::Minutes(10), 3);
    }
    EXPECT_THAT(pauses_.Warning(), testing::HasSubstr("3 times within 1h"));
    EXPECT_EQ(Rate(), 0);
    Pass(absl::Minutes(31), 3);
    EXPECT_EQ(pauses_.Warning(), "");
    EXPECT_NEAR(Rate(), 3, 0.1);
  });
}

TEST(PauseMeter, WithoutAClockThereAreNoPauses) {
  sim::SimMachine machine(1);
  machine.runtime().Run([&] {
    PauseMeter pauses(machine.runtime(), nullptr);
    machine.runtime().SleepFor(kTurn);
    EXPECT_EQ(pauses.TicksAfter(pauses.Read(), absl::Seconds(1)), PauseMeter::kNever);
  });
}

}  // namespace
}  // namespace baton
