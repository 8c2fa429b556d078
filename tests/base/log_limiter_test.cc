#include "engine/base/log_limiter.h"

#include <gtest/gtest.h>

#include "tests/base/manual_clock.h"

namespace baton {
namespace {

constexpr int kLines = 10;
constexpr absl::Duration kPeriod = absl::Seconds(10);

TEST(LogLimiterTest, LetsSomeLinesThroughAndCountsTheRest) {
  ManualClock clock;
  LogLimiter limiter(clock, kLines, kPeriod);
  for (int i = 0; i < kLines; ++i) EXPECT_EQ(limiter.Admit(), 0u);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(limiter.Admit(), std::nullopt);

  clock.now += kPeriod;
  EXPECT_EQ(limiter.Admit(), 3u) << "the first line of the next period says what is missing";
  EXPECT_EQ(limiter.Admit(), 0u);
}

}  // namespace
}  // namespace baton
