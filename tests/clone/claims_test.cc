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

class ClaimsTest : public testing::Test {
 protected:
  std::pair<uint64_t, uint64_t> SpanOf(const Claims::Claim& claim) {
    return {claim.span().first, claim.span().count};
  }

  sim::SimRuntime runtime_{1};
  Bitmap copied_{kExtents};
  Claims claims_{runtime_, copied_, kLimit, kReserve};
};

using Span = std::pair<uint64_t, uint64_t>;

TEST_F(ClaimsTest, TakesTheFirstRunThatIsNotCopied) {
  copied_.Set({0, 4});
  copied_.Set({7, 1});
  Claims::Claim claim(claims_);
  claims_.AcquirePending(claim, {2, 20}, 16);
  EXPECT_EQ(SpanOf(claim), Span(4, 3));
}

TEST_F(ClaimsTest, TakesNoMoreThanAsked) {
  Claims::Claim claim(claims_);
  claims_.AcquirePending(claim, {10, 20}, 2);
  EXPECT_EQ(SpanOf(claim), Span(10, 2));
}

TEST_F(ClaimsTest, StaysEmptyWhenAllIsCopied) {
  copied_.Set({10, 5});
  Claims::Claim claim(claims_);
  claims_.AcquirePending(claim, {10, 5}, 16);
  EXPECT_FALSE(claim.holds_any());
  EXPECT_EQ(claims_.copying(), 0u);
}

TEST_F(ClaimsTest, EndsBeforeWhatSomebodyElseHolds) {
  Claims::Claim other(claims_);
  claims_.AcquirePending(other, {14, 2}, 16);
  Claims::Claim claim(claims_);
  claims_.AcquirePending(claim, {12, 8}, 16);
  EXPECT_EQ(SpanOf(claim), Span(12, 2));
  EXPECT_EQ(Pairs(claims_.Snapshot()), (std::vector<Span>{{12, 2}, {14, 2}}));
}

TEST_F(ClaimsTest, TryAcquireLeavesTheReserveToHostWrites) {
  Claims::Claim background(claims_);
  ASSERT_TRUE(claims_.TryAcquire(background, {0, kLimit - kReserve}, true));
  Claims::Claim more(claims_);
  EXPECT_FALSE(claims_.TryAcquire(more, {50, 1}, true));
  Claims::Claim foreground(claims_);
  claims_.AcquirePending(foreground, {50, 16}, 16);
  EXPECT_EQ(SpanOf(foreground), Span(50, kReserve)) << "as far as the limit goes";
  EXPECT_EQ(claims_.copying(), kLimit);
}

TEST_F(ClaimsTest, HolesWeighNothing) {
  Claims::Claim holes(claims_);
  ASSERT_TRUE(claims_.TryAcquire(holes, {0, 60}, false));
  EXPECT_EQ(SpanOf(holes), Span(0, 60));
  EXPECT_EQ(claims_.copying(), 0u);
  EXPECT_TRUE(claims_.Snapshot().empty());
  Claims::Claim copy(claims_);
  EXPECT_FALSE(claims_.TryAcquire(copy, {30, 1}, true)) << "claimed all the same";
}

TEST_F(ClaimsTest, NextFreeSkipsCopiedAndClaimed) {
  copied_.Set({0, 3});
  Claims::Claim claim(claims_);
  claims_.AcquirePending(claim, {3, 2}, 16);
  copied_.Set({5, 1});
  EXPECT_EQ(claims_.NextFree(0, kExtents), 6u);
  EXPECT_EQ(claims_.NextFree(0, 5), 5u) << "none: the end";
}

TEST_F(ClaimsTest, AWaiterGetsTheExtentWhenTheHolderGivesUp) {
  runtime_.Run([&] {
    auto held = std::make_unique<Claims::Claim>(claims_);
    claims_.AcquirePending(*held, {5, 1}, 16);
    bool got = false;
    std::unique_ptr<Thread> waiter = runtime_.StartThread("waiter", [&] {
      Claims::Claim claim(claims_);
      claims_.AcquirePending(claim, {5, 1}, 16);
      got = claim.holds_any();
    });
    runtime_.SleepFor(absl::Milliseconds(1));
    EXPECT_FALSE(got);
    held.reset();
    waiter.reset();
    EXPECT_TRUE(got);
  });
}

TEST_F(ClaimsTest, AWaiterGoesOnWithoutAClaimWhenTheHolderHasCopied) {
  runtime_.Run([&] {
    auto held = std::make_unique<Claims::Claim>(claims_);
    claims_.AcquirePending(*held, {5, 1}, 16);
    bool got = true;
    std::unique_ptr<Thread> waiter = runtime_.StartThread("waiter", [&] {
      Claims::Claim claim(claims_);
      claims_.AcquirePending(claim, {5, 1}, 16);
      got = claim.holds_any();
    });
    copied_.Set({5, 1});
    held.reset();
    waiter.reset();
    EXPECT_FALSE(got);
  });
}

TEST_F(ClaimsTest, WaitNoneReturnsWhenTheLastIsReleased) {
  runtime_.Run([&] {
    auto held = std::make_unique<Claims::Claim>(claims_);
    claims_.AcquirePending(*held, {5, 1}, 16);
    bool none = false;
    std::unique_ptr<Thread> waiter = runtime_.StartThread("waiter", [&] {
      claims_.WaitNone();
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
TEST(Claims, ExcludeEachOtherInEveryInterleaving) {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    sim::SimRuntime runtime(seed);
    Bitmap copied(kExtents);
    Claims claims(runtime, copied, kLimit, kReserve);
    std::vector<int> holders(kExtents);
    const auto hold = [&](const Claims::Claim& claim) {
      for (uint64_t i = claim.span().first; i < claim.span().end(); ++i) {
        ASSERT_EQ(holders[i]++, 0) << "seed " << seed << ", extent " << i;
      }
      ASSERT_LE(claims.copying(), kLimit);
      runtime.Yield();
      for (uint64_t i = claim.span().first; i < claim.span().end(); ++i) --holders[i];
      copied.Set(claim.span());
    };
    runtime.Run([&] {
      std::vector<std::unique_ptr<Thread>> threads;
      for (uint64_t host = 0; host < 3; ++host) {
        threads.push_back(runtime.StartThread("host", [&, host] {
          const ExtentSpan wanted{host * 20, 50};
          while (!copied.AllSet(wanted)) {
            Claims::Claim claim(claims);
            claims.AcquirePending(claim, wanted, 4);
            if (claim.holds_any()) hold(claim);
          }
        }));
      }
      threads.push_back(runtime.StartThread("copier", [&] {
        while (copied.count() < kExtents) {
          runtime.Yield();
          const uint64_t first = claims.NextFree(0, kExtents);
          Claims::Claim claim(claims);
          if (first < kExtents && claims.TryAcquire(claim, {first, 2}, true)) hold(claim);
        }
      }));
    });
    ASSERT_TRUE(copied.AllSet({0, kExtents}));
    ASSERT_EQ(claims.copying(), 0u);
  }
}

}  // namespace
}  // namespace baton
