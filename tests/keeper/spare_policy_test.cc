#include "cli/keeper/spare_policy.h"

#include <gtest/gtest.h>

#include <vector>

namespace baton::keeper {
namespace {

constexpr absl::Duration kNow = absl::Seconds(100);

TEST(SparePolicyTest, NobodyIsStartedBeforeAControllerServes) {
  EXPECT_EQ(SparePolicy().next(), absl::InfiniteDuration());
}

TEST(SparePolicyTest, AControllerServesForAWhileFirst) {
  SparePolicy policy;
  policy.NoteServing(kNow);
  EXPECT_EQ(policy.next(), kNow + kSpareDelay);
  policy.NoteServing(kNow + absl::Milliseconds(500));
  EXPECT_EQ(policy.next(), kNow + absl::Milliseconds(500) + kSpareDelay);
}

TEST(SparePolicyTest, SparesThatDoNotGetWarmComeLessAndLessOften) {
  SparePolicy policy;
  std::vector<int64_t> waits_s;
  for (int i = 0; i < 20; ++i) {
    policy.NoteLost(kNow);
    waits_s.push_back(absl::ToInt64Seconds(policy.next() - kNow));
  }
  waits_s.resize(9);
  EXPECT_EQ(waits_s, (std::vector<int64_t>{1, 2, 4, 8, 16, 32, 60, 60, 60}));
  EXPECT_EQ(policy.next(), kNow + kMaxSpareDelay);
}

TEST(SparePolicyTest, OneThatWasWarmIsReplacedSoon) {
  SparePolicy policy;
  for (int i = 0; i < 20; ++i) policy.NoteLost(kNow);
  policy.NoteWarm();
  policy.NoteLost(kNow);
  EXPECT_EQ(policy.next(), kNow + kSpareDelay);
}

}  // namespace
}  // namespace baton::keeper
