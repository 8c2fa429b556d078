// What is used is not taken away, and what was taken away is not found.
#include "ha/volumes/drainable.h"

#include <absl/time/clock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

namespace baton::ha {
namespace {

TEST(DrainableTest, HasNothingUntilItIsSet) {
  Drainable<int> drainable;
  EXPECT_FALSE(Drainable<int>::Use(drainable));
  int target = 5;
  drainable.Set(target);
  const Drainable<int>::Use use(drainable);
  ASSERT_TRUE(use);
  EXPECT_EQ(*use, 5);
}

TEST(DrainableTest, IsDrainedWhenTheLastUseEnds) {
  Drainable<int> drainable;
  int target = 5;
  drainable.Set(target);
  std::atomic<bool> drained = false;
  std::thread draining;
  {
    const Drainable<int>::Use use(drainable);
    draining = std::thread([&] {
      drainable.Drain();
      drained = true;
    });
    while (Drainable<int>::Use(drainable)) absl::SleepFor(absl::Milliseconds(1));
    EXPECT_FALSE(drained) << "somebody uses it";
  }
  draining.join();
  EXPECT_TRUE(drained);
}

}  // namespace
}  // namespace baton::ha
