#include "cli/http/copy_rates.h"

#include <gtest/gtest.h>

namespace baton::http {
namespace {

constexpr uint64_t kExtentBytes = 65536;

class CopyRatesTest : public testing::Test {
 protected:
  CopyRatesTest() : clone_(*clones_.Add()) {
    clone_.set_id(7);
    clone_.set_state("copying");
    clone_.set_extent_bytes(kExtentBytes);
    clone_.set_extents_total(1000);
  }

  // With `copied` extents, so many seconds after the start.
  std::optional<CopyRate> At(double seconds, uint64_t copied) {
    clone_.set_extents_copied(copied);
    const auto rates = rates_.Note(absl::Hours(1) + absl::Seconds(seconds), clones_);
    const auto found = rates.find(7);
    return found == rates.end() ? std::nullopt : std::optional(found->second);
  }

  CopyRates rates_;
  CloneStatuses clones_;
  CloneStatus& clone_;
};

TEST_F(CopyRatesTest, TheFirstLookTellsNothing) { EXPECT_FALSE(At(0, 10)); }

TEST_F(CopyRatesTest, TheRateIsWhatWasCopiedSinceTheLookBefore) {
  At(0, 100);
  const auto rate = At(10, 200);
  ASSERT_TRUE(rate);
  EXPECT_DOUBLE_EQ(rate->bytes_per_second, 10.0 * kExtentBytes);
  EXPECT_DOUBLE_EQ(rate->seconds_left.value(), 80);
}

TEST_F(CopyRatesTest, ManyLooksGiveTheSameRateAsFew) {
  for (int ms = 0; ms <= 20000; ms += 50) At(ms / 1000.0, ms / 100);
  EXPECT_NEAR(At(20, 200)->bytes_per_second, 10.0 * kExtentBytes, 1);
}

TEST_F(CopyRatesTest, WhatWasLongAgoDoesNotCount) {
  At(0, 0);
  for (int second = 1; second <= 300; ++second) At(second, 500);
  const auto rate = At(301, 500);
  ASSERT_TRUE(rate);
  EXPECT_EQ(rate->bytes_per_second, 0);
  EXPECT_FALSE(rate->seconds_left);
}

TEST_F(CopyRatesTest, ACloneThatBeginsAnewOrIsNotCopiedHasNoRate) {
  At(0, 500);
  EXPECT_FALSE(At(10, 3));
  EXPECT_TRUE(At(20, 13));
  clone_.set_state("paused");
  EXPECT_FALSE(At(30, 13));
  clone_.set_state("copying");
  EXPECT_FALSE(At(40, 13));
}

}  // namespace
}  // namespace baton::http
