#include "engine/clone/throttle.h"

#include <gtest/gtest.h>

namespace baton {
namespace {

constexpr absl::Duration kNow = absl::Seconds(1000);

TEST(Throttle, WithoutARateNothingWaits) {
  Throttle throttle(0);
  throttle.Spend(kNow, 1 << 30);
  EXPECT_LE(throttle.NextStart(), kNow);
  EXPECT_EQ(throttle.PieceBytes(), UINT64_MAX);
}

TEST(Throttle, WhatWasDoneIsPaidForAfterwards) {
  Throttle throttle(1000);
  EXPECT_LE(throttle.NextStart(), kNow) << "the first piece is free to begin";
  throttle.Spend(kNow, 500);
  EXPECT_EQ(throttle.NextStart(), kNow + absl::Milliseconds(500));
  throttle.Spend(kNow + absl::Milliseconds(100), 500);
  EXPECT_EQ(throttle.NextStart(), kNow + absl::Seconds(1)) << "debts add up";
}

TEST(Throttle, NothingIsSavedUpWhileIdle) {
  Throttle throttle(1000);
  throttle.Spend(kNow, 1000);
  const absl::Duration later = kNow + absl::Seconds(60);
  throttle.Spend(later, 1000);
  EXPECT_EQ(throttle.NextStart(), later + absl::Seconds(1));
}

TEST(Throttle, ANewRateForgivesTheDebt) {
  Throttle throttle(1);
  throttle.Spend(kNow, 1'000'000);
  throttle.SetRate(1'000'000);
  EXPECT_LE(throttle.NextStart(), kNow);
  throttle.Spend(kNow, 1'000'000);
  EXPECT_EQ(throttle.NextStart(), kNow + absl::Seconds(1));
  throttle.SetRate(0);
  throttle.Spend(kNow, 1'000'000);
  EXPECT_LE(throttle.NextStart(), kNow);
}

TEST(Throttle, AnAdjustedRateKeepsTheDebt) {
  Throttle throttle(1000);
  throttle.Spend(kNow, 1000);
  throttle.Adjust(kNow + absl::Milliseconds(500), 500);
  EXPECT_EQ(throttle.NextStart(), kNow + absl::Milliseconds(1500));
  throttle.Adjust(kNow + absl::Milliseconds(500), 5000);
  EXPECT_EQ(throttle.NextStart(), kNow + absl::Milliseconds(600));
  throttle.Adjust(kNow, 0);
  EXPECT_LE(throttle.NextStart(), kNow);
}

TEST(Throttle, ALowRateIsSpentInSmallPieces) { EXPECT_EQ(Throttle(8000).PieceBytes(), 1000u); }

}  // namespace
}  // namespace baton
