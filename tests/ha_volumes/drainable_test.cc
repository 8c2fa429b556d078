// Seats: what is used does not go away, and what is gone is not found.
#include "ha/volumes/drainable.h"

#include <absl/time/clock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

namespace baton {
namespace {

TEST(SeatTest, IsEmptyUntilItIsTaken) {
  Seat<int> seat;
  EXPECT_FALSE(Seat<int>::Use(seat));
  int occupant = 5;
  seat.Take(occupant);
  const Seat<int>::Use use(seat);
  ASSERT_TRUE(use);
  EXPECT_EQ(*use, 5);
}

TEST(SeatTest, IsVacatedWhenTheLastUseEnds) {
  Seat<int> seat;
  int occupant = 5;
  seat.Take(occupant);
  std::atomic<bool> vacated = false;
  std::thread leaving;
  {
    const Seat<int>::Use use(seat);
    leaving = std::thread([&] {
      seat.Vacate();
      vacated = true;
    });
    while (Seat<int>::Use(seat)) absl::SleepFor(absl::Milliseconds(1));
    EXPECT_FALSE(vacated) << "somebody uses it";
  }
  leaving.join();
  EXPECT_TRUE(vacated);
}

}  // namespace
}  // namespace baton
