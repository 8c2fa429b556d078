#include "ha/core/takeover_forecast.h"

#include <gtest/gtest.h>

namespace baton::ha {
namespace {

class TakeoverForecastTest : public testing::Test {
 protected:
  TakeoverForecastTest() {
    facts_.recovery = absl::Milliseconds(300);
    facts_.fence = absl::Milliseconds(400);
    options_.fence_delay = absl::Seconds(1);
  }
  TakeoverForecast Of(Loss loss) const {
    for (const TakeoverForecast& forecast : ForecastTakeovers(options_, facts_)) {
      if (forecast.loss == loss) return forecast;
    }
    ADD_FAILURE();
    return {};
  }
  void Expect(Loss loss, Proof proof, double seconds) const {
    const TakeoverForecast forecast = Of(loss);
    ASSERT_TRUE(forecast.proof) << Name(loss);
    EXPECT_EQ(*forecast.proof, proof);
    EXPECT_EQ(forecast.wait, absl::Seconds(seconds));
  }
  void ExpectNobody(Loss loss) const {
    EXPECT_FALSE(Of(loss).proof);
    EXPECT_EQ(Of(loss).wait, absl::InfiniteDuration());
  }

  CoordinatorOptions options_;
  ForecastFacts facts_;
};

TEST_F(TakeoverForecastTest, AReapedProcessIsFollowedAtOnceAndALostNodeByItsLease) {
  Expect(Loss::kProcess, Proof::kCertificate, 0.4);
  Expect(Loss::kNode, Proof::kLease, 5.3);
  facts_.recovery = absl::ZeroDuration();
  Expect(Loss::kNode, Proof::kLease, 5.2);
  facts_.times.takeover_after = absl::Seconds(2);
  Expect(Loss::kNode, Proof::kLease, 2.2);
}

TEST_F(TakeoverForecastTest, AFenceCommandIsFasterThanTheLeaseUnlessItFails) {
  options_.has_fence = true;
  Expect(Loss::kNode, Proof::kFence, 2 + 1 + 0.4 + 0.3);
  facts_.fence_fails = true;
  Expect(Loss::kNode, Proof::kLease, 5.3);
  facts_.fence = absl::Seconds(7);
  Expect(Loss::kNode, Proof::kLease, 2 + 1 + 7 + 0.3);
  options_.takeover = Takeover::kFencedOnly;
  ExpectNobody(Loss::kNode);
}

TEST_F(TakeoverForecastTest, AWatchdogIsWaitedFor) {
  facts_.times.watchdog = absl::Seconds(5);
  Expect(Loss::kNode, Proof::kWatchdog, 5 + 5.1 + 0.3);
  options_.takeover = Takeover::kFencedOnly;
  Expect(Loss::kNode, Proof::kWatchdog, 5 + 5.1 + 0.3);
}

TEST_F(TakeoverForecastTest, WithoutAPeerOrAnOrderANodeIsNotFollowed) {
  options_.takeover = Takeover::kManual;
  ExpectNobody(Loss::kNode);
  Expect(Loss::kProcess, Proof::kCertificate, 1.3);  // its own node takes it back
  options_.takeover = Takeover::kAuto;
  facts_.is_fit_peer = false;
  ExpectNobody(Loss::kNode);
  Expect(Loss::kProcess, Proof::kCertificate, 1.3);
}

TEST_F(TakeoverForecastTest, WhereNoCertificateCountsTheLeaseIsWaitedFor) {
  options_.certificate_counts = false;
  options_.has_fence = true;
  Expect(Loss::kProcess, Proof::kLease, 5.3);  // a node that is well is not turned off
  options_.takeover = Takeover::kFencedOnly;
  Expect(Loss::kProcess, Proof::kFence, 3.7);
  options_.takeover = Takeover::kManual;
  Expect(Loss::kProcess, Proof::kLease, 5.3);
}

}  // namespace
}  // namespace baton::ha
