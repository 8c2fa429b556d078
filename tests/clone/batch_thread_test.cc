// When a batch is due, who waits for what, and what an error leaves behind.
#include "engine/clone/batch_thread.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "tests/base/testing.h"
#include "tests/sim/sim_runtime.h"

namespace baton {
namespace {

constexpr absl::Duration kBatchDelay = absl::Milliseconds(100);
constexpr size_t kBatchItems = 4;

// The batches as the work saw them; the work takes time, as I/O does.
class BatchThreadTest : public testing::Test {
 protected:
  void Run(const std::function<void(BatchThread<int>&)>& body) {
    for (uint64_t seed = 1; seed <= 50 && !testing::Test::HasFailure(); ++seed) {
      SCOPED_TRACE("seed " + std::to_string(seed));
      sim::SimRuntime runtime(seed);
      runtime_ = &runtime;
      done_.clear();
      result_ = absl::OkStatus();
      is_working_ = false;
      hold_ = false;
      runtime.Run([&] {
        auto thread = Make();
        body(*thread);
        hold_ = false;
      });
    }
  }

  std::unique_ptr<BatchThread<int>> Make() {
    return std::make_unique<BatchThread<int>>(
        *runtime_,
        BatchThread<int>::Options{
            .name = "batches", .items = kBatchItems, .delay = kBatchDelay, .room = 16},
        [this](std::span<int> batch) {
          EXPECT_FALSE(is_working_) << "one batch at a time";
          EXPECT_FALSE(batch.empty());
          is_working_ = true;
          do {
            runtime_->SleepFor(absl::Milliseconds(1));
          } while (hold_);
          is_working_ = false;
          if (result_.ok()) done_.emplace_back(batch.begin(), batch.end());
          return result_;
        });
  }

  void AddAll(BatchThread<int>& thread, const std::vector<int>& items) {
    for (int item : items) thread.Add(std::move(item));
  }
  // Far less than the delay, far more than a batch takes.
  void AWhile() { runtime_->SleepFor(absl::Milliseconds(20)); }
  bool IsHere(const BatchThread<int>& thread, int wanted) {
    bool found = false;
    thread.ForEach([&](int item) { found = found || item == wanted; });
    return found;
  }

  sim::SimRuntime* runtime_ = nullptr;
  std::vector<std::vector<int>> done_;
  absl::Status result_;
  bool is_working_ = false;
  bool hold_ = false;  // the work does not end
};

using Batches = std::vector<std::vector<int>>;

TEST_F(BatchThreadTest, ABatchWaitsUntilTheOldestItemHasWaitedForTheDelay) {
  Run([&](BatchThread<int>& thread) {
    AddAll(thread, {1, 2});
    runtime_->SleepFor(kBatchDelay - absl::Milliseconds(20));
    EXPECT_EQ(done_, Batches{});
    EXPECT_TRUE(IsHere(thread, 1));
    AddAll(thread, {3});
    runtime_->SleepFor(absl::Milliseconds(40));
    EXPECT_EQ(done_, (Batches{{1, 2, 3}}));
    EXPECT_FALSE(IsHere(thread, 1));
  });
}

TEST_F(BatchThreadTest, AFullBatchDoesNotWait) {
  Run([&](BatchThread<int>& thread) {
    AddAll(thread, {1, 2, 3});
    AWhile();
    EXPECT_EQ(done_, Batches{});
    AddAll(thread, {4});
    AWhile();
    EXPECT_EQ(done_, (Batches{{1, 2, 3, 4}}));
  });
}

TEST_F(BatchThreadTest, WhatIsAddedDuringTheWorkIsTheNextBatchAndHereMeanwhile) {
  Run([&](BatchThread<int>& thread) {
    hold_ = true;
    AddAll(thread, {1, 2, 3, 4});
    AWhile();
    AddAll(thread, {5, 6, 7, 8, 9});
    AWhile();
    EXPECT_TRUE(IsHere(thread, 1) && IsHere(thread, 9));
    hold_ = false;
    AWhile();
    EXPECT_EQ(done_, (Batches{{1, 2, 3, 4}, {5, 6, 7, 8, 9}}));
  });
}

TEST_F(BatchThreadTest, WhoWaitsForAnItemGetsItsBatchAtOnceAndReturnsAfterTheWork) {
  Run([&](BatchThread<int>& thread) {
    AddAll(thread, {1});
    const absl::Duration begin = runtime_->BootTime();
    EXPECT_OK(thread.AddAndWait(2));
    EXPECT_EQ(done_, (Batches{{1, 2}}));
    EXPECT_LT(runtime_->BootTime() - begin, kBatchDelay / 2);
    AddAll(thread, {3});
    AWhile();
    EXPECT_EQ(done_.size(), 1u) << "nobody is in a hurry any more";
  });
}

TEST_F(BatchThreadTest, WaitNoneWaitsForWhatMatchesAndForNothingElse) {
  Run([&](BatchThread<int>& thread) {
    const auto is = [](int wanted) { return [wanted](int item) { return item == wanted; }; };
    AddAll(thread, {1, 2});
    EXPECT_OK(thread.WaitNone(is(3)));
    EXPECT_EQ(done_, Batches{}) << "not even hurried";
    const absl::Duration begin = runtime_->BootTime();
    EXPECT_OK(thread.WaitNone(is(2)));
    EXPECT_EQ(done_, (Batches{{1, 2}}));
    EXPECT_LT(runtime_->BootTime() - begin, kBatchDelay / 2);
    hold_ = true;
    AddAll(thread, {1, 1, 1, 1});
    AWhile();
    std::unique_ptr<Thread> other = runtime_->StartThread("other", [&] {
      AWhile();
      EXPECT_TRUE(is_working_);
      hold_ = false;
    });
    EXPECT_OK(thread.WaitNone(is(1))) << "also for what is being worked on";
    EXPECT_EQ(done_.size(), 2u);
    other.reset();
  });
}

TEST_F(BatchThreadTest, InAHurryNoItemWaits) {
  Run([&](BatchThread<int>& thread) {
    AddAll(thread, {1});
    thread.BeginHurry();
    AWhile();
    AddAll(thread, {2});
    AWhile();
    EXPECT_EQ(done_, (Batches{{1}, {2}}));
    thread.EndHurry();
    AddAll(thread, {3});
    AWhile();
    EXPECT_EQ(done_, (Batches{{1}, {2}}));
  });
}

TEST_F(BatchThreadTest, WhatWaitsAtTheEndIsWorkedOnFirst) {
  Run([&](BatchThread<int>&) {
    std::unique_ptr<BatchThread<int>> thread = Make();
    AddAll(*thread, {1, 2});
    thread.reset();
    EXPECT_EQ(done_, (Batches{{1, 2}}));
  });
}

TEST_F(BatchThreadTest, AfterAnErrorNothingIsTakenAndWhoWaitsIsTold) {
  Run([&](BatchThread<int>& thread) {
    result_ = absl::AbortedError("no");
    EXPECT_CODE(thread.AddAndWait(1), kAborted);
    result_ = absl::OkStatus();
    EXPECT_CODE(thread.AddAndWait(2), kAborted);
    AddAll(thread, {3, 4, 5, 6});
    runtime_->SleepFor(2 * kBatchDelay);
    EXPECT_EQ(done_, Batches{});
    EXPECT_TRUE(IsHere(thread, 1) && IsHere(thread, 6)) << "it is kept";
    EXPECT_CODE(thread.WaitNone([](int item) { return item == 1; }), kAborted);
  });
}

TEST_F(BatchThreadTest, AnErrorOfOthersIsToldWhenTheWorkThatIsUnderWayIsOver) {
  Run([&](BatchThread<int>& thread) {
    hold_ = true;
    absl::Status first = absl::UnknownError("not yet");
    std::unique_ptr<Thread> waiter =
        runtime_->StartThread("waiter", [&] { first = thread.AddAndWait(1); });
    while (!is_working_) runtime_->Yield();
    absl::Status second = absl::UnknownError("not yet");
    std::unique_ptr<Thread> later =
        runtime_->StartThread("later", [&] { second = thread.AddAndWait(2); });
    while (!IsHere(thread, 2)) runtime_->Yield();
    thread.Fail(absl::AbortedError("elsewhere"));
    later.reset();
    EXPECT_CODE(second, kAborted) << "no work on it was begun";
    EXPECT_CODE(first, kUnknown) << "it is under way";
    hold_ = false;
    waiter.reset();
    EXPECT_OK(first);
    EXPECT_EQ(done_, (Batches{{1}}));
  });
}

}  // namespace
}  // namespace baton
