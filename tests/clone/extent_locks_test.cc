#include "engine/clone/extent_locks.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <vector>

#include "tests/sim/sim_runtime.h"

namespace baton {
namespace {

constexpr uint64_t kExtents = 100;
constexpr uint64_t kLimit = 8;
constexpr uint64_t kReserve = 3;

std::vector<std::pair<uint64_t, uint64_t>> Pairs(const std::vector<ExtentSpan>& spans) {
  std::vector<std::pair<uint64_t, uint64_t>> pairs;
  for (const ExtentSpan& span : spans) pairs.emplace_back(span.first, span.count);
  return pairs;
}

class ExtentLocksTest : public testing::Test {
 protected:
  std::pair<uint64_t, uint64_t> SpanOf(const ExtentLocks::Hold& hold) {
    return {hold.span().first, hold.span().count};
  }

  sim::SimRuntime runtime_{1};
  Bitmap copied_{kExtents};
  ExtentLocks locks_{runtime_, copied_, kLimit, kReserve};
};

using Span = std::pair<uint64_t, uint64_t>;

TEST_F(ExtentLocksTest, TakesTheFirstRunThatIsNotCopied) {
  copied_.Set({0, 4});
  copied_.Set({7, 1});
  ExtentLocks::Hold hold(locks_);
  locks_.AcquirePending(hold, {2, 20}, 16);
  EXPECT_EQ(SpanOf(hold), Span(4, 3));
}

TEST_F(ExtentLocksTest, TakesNoMoreThanAsked) {
  ExtentLocks::Hold hold(locks_);
  locks_.AcquirePending(hold, {10, 20}, 2);
  EXPECT_EQ(SpanOf(hold), Span(10, 2));
}

TEST_F(ExtentLocksTest, StaysEmptyWhenAllIsCopied) {
  copied_.Set({10, 5});
  ExtentLocks::Hold hold(locks_);
  locks_.AcquirePending(hold, {10, 5}, 16);
  EXPECT_FALSE(hold.holds_any());
  EXPECT_EQ(locks_.copying(), 0u);
}

TEST_F(ExtentLocksTest, EndsBeforeWhatSomebodyElseHolds) {
  ExtentLocks::Hold other(locks_);
  locks_.AcquirePending(other, {14, 2}, 16);
  ExtentLocks::Hold hold(locks_);
  locks_.AcquirePending(hold, {12, 8}, 16);
  EXPECT_EQ(SpanOf(hold), Span(12, 2));
  EXPECT_EQ(Pairs(locks_.Snapshot()), (std::vector<Span>{{12, 2}, {14, 2}}));
}

TEST_F(ExtentLocksTest, TryAcquireLeavesTheReserveToHostWrites) {
  ExtentLocks::Hold background(locks_);
  ASSERT_TRUE(locks_.TryAcquire(background, {0, kLimit - kReserve}, true));
  ExtentLocks::Hold more(locks_);
  EXPECT_FALSE(locks_.TryAcquire(more, {50, 1}, true));
  ExtentLocks::Hold foreground(locks_);
  locks_.AcquirePending(foreground, {50, 16}, 16);
  EXPECT_EQ(SpanOf(foreground), Span(50, kReserve)) << "as far as the limit goes";
  EXPECT_EQ(locks_.copying(), kLimit);
}

TEST_F(ExtentLocksTest, HolesWeighNothing) {
  ExtentLocks::Hold holes(locks_);
  ASSERT_TRUE(locks_.TryAcquire(holes, {0, 60}, false));
  EXPECT_EQ(SpanOf(holes), Span(0, 60));
  EXPECT_EQ(locks_.copying(), 0u);
  EXPECT_TRUE(locks_.Snapshot().empty());
  ExtentLocks::Hold copy(locks_);
  EXPECT_FALSE(locks_.TryAcquire(copy, {30, 1}, true)) << "locked all the same";
}

TEST_F(ExtentLocksTest, NextFreeSkipsCopiedAndLocked) {
  copied_.Set({0, 3});
  ExtentLocks::Hold hold(locks_);
  locks_.AcquirePending(hold, {3, 2}, 16);
  copied_.Set({5, 1});
  EXPECT_EQ(locks_.NextFree(0, kExtents), 6u);
  EXPECT_EQ(locks_.NextFree(0, 5), 5u) << "none: the end";
}

TEST_F(ExtentLocksTest, AWaiterGetsTheExtentWhenTheHolderGivesUp) {
  runtime_.Run([&] {
    auto held = std::make_unique<ExtentLocks::Hold>(locks_);
    locks_.AcquirePending(*held, {5, 1}, 16);
    bool got = false;
    std::unique_ptr<Thread> waiter = runtime_.StartThread("waiter", [&] {
      ExtentLocks::Hold hold(locks_);
      locks_.AcquirePending(hold, {5, 1}, 16);
      got = hold.holds_any();
    });
    runtime_.SleepFor(absl::Milliseconds(1));
    EXPECT_FALSE(got);
    held.reset();
    waiter.reset();
    EXPECT_TRUE(got);
  });
}

TEST_F(ExtentLocksTest, AWaiterGoesOnWithoutALockWhenTheHolderHasCopied) {
  runtime_.Run([&] {
    auto held = std::make_unique<ExtentLocks::Hold>(locks_);
    locks_.AcquirePending(*held, {5, 1}, 16);
    bool got = true;
    std::unique_ptr<Thread> waiter = runtime_.StartThread("waiter", [&] {
      ExtentLocks::Hold hold(locks_);
      locks_.AcquirePending(hold, {5, 1}, 16);
      got = hold.holds_any();
    });
    copied_.Set({5, 1});
    held.reset();
    waiter.reset();
    EXPECT_FALSE(got);
  });
}

TEST_F(ExtentLocksTest, WaitNoneReturnsWhenTheLastIsReleased) {
  runtime_.Run([&] {
    auto held = std::make_unique<ExtentLocks::Hold>(locks_);
    locks_.AcquirePending(*held, {5, 1}, 16);
    bool none = false;
    std::unique_ptr<Thread> waiter = runtime_.StartThread("waiter", [&] {
      locks_.WaitNone();
      none = true;
    });
    runtime_.SleepFor(absl::Milliseconds(1));
    EXPECT_FALSE(none);
    held.reset();
    waiter.reset();
    EXPECT_TRUE(none);
  });
}

// Every extent is held by one at a time, all together never exceed the limit, and all get done.
TEST(ExtentLocks, ExcludeEachOtherInEveryInterleaving) {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    sim::SimRuntime runtime(seed);
    Bitmap copied(kExtents);
    ExtentLocks locks(runtime, copied, kLimit, kReserve);
    std::vector<int> holders(kExtents);
    const auto copy = [&](const ExtentLocks::Hold& hold) {
      for (uint64_t i = hold.span().first; i < hold.span().end(); ++i) {
        ASSERT_EQ(holders[i]++, 0) << "seed " << seed << ", extent " << i;
      }
      ASSERT_LE(locks.copying(), kLimit);
      runtime.Yield();
      for (uint64_t i = hold.span().first; i < hold.span().end(); ++i) --holders[i];
      copied.Set(hold.span());
    };
    runtime.Run([&] {
      std::vector<std::unique_ptr<Thread>> threads;
      for (uint64_t host = 0; host < 3; ++host) {
        threads.push_back(runtime.StartThread("host", [&, host] {
          const ExtentSpan wanted{host * 20, 50};
          while (!copied.AllSet(wanted)) {
            ExtentLocks::Hold hold(locks);
            locks.AcquirePending(hold, wanted, 4);
            if (hold.holds_any()) copy(hold);
          }
        }));
      }
      threads.push_back(runtime.StartThread("copier", [&] {
        while (copied.count() < kExtents) {
          runtime.Yield();
          const uint64_t first = locks.NextFree(0, kExtents);
          ExtentLocks::Hold hold(locks);
          if (first < kExtents && locks.TryAcquire(hold, {first, 2}, true)) copy(hold);
        }
      }));
    });
    ASSERT_TRUE(copied.AllSet({0, kExtents}));
    ASSERT_EQ(locks.copying(), 0u);
  }
}

}  // namespace
}  // namespace baton
