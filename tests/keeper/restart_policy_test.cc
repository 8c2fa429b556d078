#include "cli/keeper/restart_policy.h"

#include <gtest/gtest.h>

#include <vector>

#include "cli/keeper/keeper_settings.h"

namespace baton::keeper {
namespace {

constexpr Death kCrashAtStart = {.served = false, .served_for = {}, .killed = false};
constexpr Death kKilledAtStart = {.served = false, .served_for = {}, .killed = true};

Death CrashAfter(absl::Duration served_for) {
  return {.served = true, .served_for = served_for, .killed = false};
}

TEST(RestartPolicyTest, FirstCrashIsFollowedByAStartAtOnce) {
  RestartPolicy policy;
  EXPECT_EQ(policy.WaitAfter(kCrashAtStart), absl::ZeroDuration());
}

TEST(RestartPolicyTest, CrashesInARowWaitLongerAndLongerUntilTheyAreALoop) {
  RestartPolicy policy;
  std::vector<int64_t> waits_ms;
  for (int i = 0; i < 9; ++i) {
    waits_ms.push_back(absl::ToInt64Milliseconds(policy.WaitAfter(kCrashAtStart)));
  }
  EXPECT_EQ(waits_ms, (std::vector<int64_t>{0, 100, 200, 400, 800, 1600, 3200, 30'000, 30'000}));
  EXPECT_TRUE(policy.looping());
  EXPECT_EQ(policy.deaths(), 9);
}

TEST(RestartPolicyTest, ServingForLongEnoughBeginsAnew) {
  RestartPolicy policy;
  for (int i = 0; i < 20; ++i) policy.WaitAfter(kCrashAtStart);
  EXPECT_EQ(policy.WaitAfter(CrashAfter(kHealthyAfter)), absl::ZeroDuration());
  EXPECT_FALSE(policy.looping());
  EXPECT_GT(policy.WaitAfter(CrashAfter(kHealthyAfter - absl::Seconds(1))), absl::ZeroDuration());
}

TEST(RestartPolicyTest, KillsFromOutsideAreNeverALoop) {
  RestartPolicy policy;
  for (int i = 0; i < 1000; ++i) {
    EXPECT_LE(policy.WaitAfter(kKilledAtStart), kMaxKilledBackoff);
  }
  EXPECT_FALSE(policy.looping());
  const Death killed_while_serving = {
      .served = true, .served_for = absl::Milliseconds(1), .killed = true};
  EXPECT_EQ(policy.WaitAfter(killed_while_serving), absl::ZeroDuration());
}

}  // namespace
}  // namespace baton::keeper
