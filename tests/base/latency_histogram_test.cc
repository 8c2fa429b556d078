#include "engine/base/latency_histogram.h"

#include <gtest/gtest.h>

namespace baton {
namespace {

TEST(LatencyHistogram, EachDurationIsInTheBucketThatEndsAfterItAndNoneIsWiderThanAnEighth) {
  for (uint64_t us = 0; us <= LatencyBuckets::kMaxUs; us += 1 + us / 100) {
    const size_t bucket = LatencyBuckets::Of(us);
    ASSERT_LT(us, LatencyBuckets::EndUs(bucket));
    ASSERT_LE(LatencyBuckets::EndUs(bucket), us + 1 + us / 8);
    if (bucket > 0) {
      ASSERT_GE(us, LatencyBuckets::EndUs(bucket - 1));
    }
  }
  EXPECT_EQ(LatencyCounts::BucketOf(absl::Hours(1)), LatencyBuckets::kCount - 1);
  EXPECT_EQ(LatencyCounts::BucketOf(-absl::Seconds(1)), 0u);
}

TEST(LatencyHistogram, CountsAndPercentiles) {
  LatencyHistogram histogram;
  const LatencyCounts before = histogram.Load();
  EXPECT_EQ(before.Percentile(99), absl::ZeroDuration());
  for (int i = 0; i < 990; ++i) histogram.Note(absl::Microseconds(100));
  for (int i = 0; i < 10; ++i) histogram.Note(absl::Milliseconds(10));
  LatencyCounts counts = histogram.Load();
  EXPECT_EQ(counts.total(), 1000u);
  EXPECT_EQ(counts.CountAbove(absl::Milliseconds(1)), 10u);
  EXPECT_EQ(counts.CountAbove(absl::Milliseconds(10)), 0u);
  EXPECT_LT(counts.Percentile(99), absl::Microseconds(113));
  histogram.Note(absl::Milliseconds(10));
  EXPECT_GT(histogram.Load().Percentile(99), absl::Milliseconds(10));
  counts -= before;
  EXPECT_EQ(counts.total(), 1000u);
  counts += counts;
  EXPECT_EQ(counts.total(), 2000u);
}

}  // namespace
}  // namespace baton
