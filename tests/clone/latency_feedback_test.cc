#include "engine/clone/latency_feedback.h"

#include <gtest/gtest.h>

#include <random>

namespace baton {
namespace {

using Period = LatencyFeedback::Period;

constexpr absl::Duration kGoalTarget = absl::Milliseconds(5);
constexpr double kMiBytes = limits::kMiB;

// Storage on which a request takes the longer the faster a copy is, and a host that sends so many
// requests a second. The copy is as fast as it may be, and kFullSpeed at most.
struct LoadModel {
  static constexpr double kFullSpeed = 400 * kMiBytes;

  Period Pass(const LatencyFeedback& feedback) {
    Period period;
    const double limit = static_cast<double>(feedback.limit());
    const double rate = limit == 0 ? kFullSpeed : std::min(limit, kFullSpeed);
    period.copied_bytes = static_cast<uint64_t>(rate / 10);
    std::exponential_distribution<double> waits(1 / (20 * rate / kFullSpeed));
    due += iops / 10;
    for (; due >= 1; --due) {
      const absl::Duration took = rest + absl::Milliseconds(waits(random));
      period.requests.Add(took);
      ++requests;
      slow += took > kGoalTarget ? 1 : 0;
    }
    return period;
  }
  // For so many seconds.
  void Run(LatencyFeedback& feedback, int seconds) {
    requests = slow = copied = 0;
    for (int i = 0; i < seconds * 10; ++i) {
      const Period period = Pass(feedback);
      copied += period.copied_bytes;
      feedback.Note(period);
    }
  }

  double iops = 400;
  absl::Duration rest = absl::Microseconds(500);  // what a request takes without a copy
  std::mt19937_64 random{1};
  double due = 0;
  uint64_t requests = 0;
  uint64_t slow = 0;
  uint64_t copied = 0;
};

class Busy : public testing::TestWithParam<double> {};

// The 99th percentile reaches 5 ms at some 19 MiB/s; at half of that much is given away.
TEST_P(Busy, KeepsThe99thPercentileBelowTheTargetAndCopiesAsFastAsThatAllows) {
  LoadModel storage{.iops = GetParam()};
  LatencyFeedback feedback(kGoalTarget);
  storage.Run(feedback, 20);
  storage.Run(feedback, 600);
  EXPECT_LT(storage.slow * 100, storage.requests);
  EXPECT_GT(storage.copied, 600 * 6 * limits::kMiB);
  EXPECT_LT(storage.copied, 600 * 22 * limits::kMiB);
}

INSTANTIATE_TEST_SUITE_P(Iops, Busy, testing::Values(20, 200, 400, 20000));

TEST(LatencyFeedback, WithoutRequestsThereIsNoLimit) {
  LoadModel storage;
  LatencyFeedback feedback(kGoalTarget);
  EXPECT_EQ(feedback.limit(), 0u) << "before the first request";
  storage.Run(feedback, 20);
  const uint64_t busy = feedback.limit();
  EXPECT_GT(busy, 0u);
  storage.iops = 0;
  storage.Run(feedback, 1);
  EXPECT_EQ(feedback.limit(), busy) << "a pause is not the end";
  EXPECT_EQ(feedback.p99(), absl::ZeroDuration());
  storage.Run(feedback, 2);
  EXPECT_EQ(feedback.limit(), 0u);
  Period period;
  period.requests.Add(absl::Microseconds(100));
  feedback.Note(period);
  EXPECT_NEAR(static_cast<double>(feedback.limit()), static_cast<double>(busy), 0.11 * busy)
      << "what was found counts again";
}

TEST(LatencyFeedback, ATargetThatCannotBeReachedLeavesTheFloor) {
  LoadModel storage{.rest = 2 * kGoalTarget};
  LatencyFeedback feedback(kGoalTarget);
  storage.Run(feedback, 20);
  EXPECT_EQ(feedback.limit(), limits::kCopyFloorBytesPerSecond);
  EXPECT_GT(feedback.p99(), kGoalTarget);
  storage.rest = absl::ZeroDuration();
  storage.Run(feedback, 60);
  EXPECT_GT(feedback.limit(), 4 * limits::kMiB) << "and is left again";
}

TEST(LatencyFeedback, IsNotRaisedBeyondTwiceWhatIsCopied) {
  LatencyFeedback feedback(kGoalTarget);
  for (int i = 0; i < 1000; ++i) {
    Period period = {.copied_bytes = 4 * limits::kMiB};  // 40 MiB/s for another reason
    period.requests.Add(absl::Microseconds(100), 1000);
    feedback.Note(period);
  }
  EXPECT_GT(feedback.limit(), 79 * limits::kMiB);
  EXPECT_LT(feedback.limit(), 90 * limits::kMiB);
  Period slow;
  slow.requests.Add(2 * kGoalTarget, 1000);
  feedback.Note(slow);
  EXPECT_LT(feedback.limit(), 20 * limits::kMiB) << "a cut is one of what is copied";
}

TEST(LatencyFeedback, ThePeriodAfterACutSaysNothing) {
  LatencyFeedback feedback(kGoalTarget);
  Period slow = {.copied_bytes = 100 * limits::kMiB};
  slow.requests.Add(2 * kGoalTarget, 100);
  feedback.Note(slow);
  const uint64_t once = feedback.limit();
  EXPECT_EQ(once, LatencyFeedback::kStartBytesPerSecond / 2);
  feedback.Note(slow);
  EXPECT_EQ(feedback.limit(), once);
  feedback.Note(slow);
  EXPECT_EQ(feedback.limit(), once / 2);
}

}  // namespace
}  // namespace baton
