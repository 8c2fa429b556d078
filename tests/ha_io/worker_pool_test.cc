// Jobs on several threads: their order, how many run at a time, and what becomes of them at the
// end.
#include "ha/io/worker_pool.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/sim/sim_runtime.h"

namespace baton::ha {
namespace {

using testing::ElementsAre;

// Each job takes a second.
class WorkerPoolTest : public testing::Test {
 protected:
  WorkerPool<int>::Work Work() {
    return [this](int job) {
      begun_.push_back(job);
      runtime_.SleepFor(absl::Seconds(1));
      done_.push_back(job);
    };
  }

  sim::SimRuntime runtime_{1};
  std::vector<int> begun_;
  std::vector<int> done_;
};

TEST_F(WorkerPoolTest, OneThreadDoesOneJobAfterTheOther) {
  WorkerPool<int> pool(runtime_, {.thread_name = "worker", .threads = 1}, Work());
  for (const int job : {1, 2, 3}) pool.Queue(job);
  EXPECT_EQ(pool.waiting(), 3U);
  runtime_.SleepFor(absl::Seconds(1.5));
  EXPECT_THAT(done_, ElementsAre(1));
  EXPECT_THAT(begun_, ElementsAre(1, 2));
  EXPECT_EQ(pool.waiting(), 1U);
  runtime_.SleepFor(absl::Seconds(2));
  EXPECT_THAT(done_, ElementsAre(1, 2, 3));
}

TEST_F(WorkerPoolTest, AsManyJobsRunAtATimeAsThereAreThreads) {
  WorkerPool<int> pool(runtime_, {.thread_name = "worker", .threads = 3}, Work());
  for (const int job : {1, 2, 3, 4}) pool.Queue(job);
  runtime_.SleepFor(absl::Seconds(0.5));
  EXPECT_THAT(begun_, testing::UnorderedElementsAre(1, 2, 3));
  runtime_.SleepFor(absl::Seconds(1));
  EXPECT_THAT(begun_, testing::UnorderedElementsAre(1, 2, 3, 4));
}

TEST_F(WorkerPoolTest, TakesJobsThatCannotBeCopied) {
  int sum = 0;
  WorkerPool<std::unique_ptr<int>> pool(runtime_, {.thread_name = "worker", .threads = 1},
                                        [&sum](std::unique_ptr<int> job) { sum += *job; });
  pool.Queue(std::make_unique<int>(7));
  runtime_.SleepFor(absl::Seconds(1));
  EXPECT_EQ(sum, 7);
}

TEST_F(WorkerPoolTest, StopWaitsForWhatHasBegunAndBeginsNothingElse) {
  WorkerPool<int> pool(runtime_, {.thread_name = "worker", .threads = 2}, Work());
  for (const int job : {1, 2, 3}) pool.Queue(job);
  runtime_.SleepFor(absl::Seconds(0.5));
  const absl::Duration stopped = runtime_.BootTime();
  pool.Stop();
  EXPECT_GE(runtime_.BootTime() - stopped, absl::Seconds(0.4));
  EXPECT_THAT(done_, testing::UnorderedElementsAre(1, 2));
  pool.Queue(4);
  runtime_.SleepFor(absl::Seconds(2));
  EXPECT_THAT(begun_, testing::UnorderedElementsAre(1, 2));
}

}  // namespace
}  // namespace baton::ha
