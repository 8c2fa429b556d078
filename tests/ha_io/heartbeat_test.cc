// Heartbeats, believed and not.
#include <gtest/gtest.h>

#include "ha/io/heartbeat_filter.h"
#include "ha/io/peer_settings.h"
#include "tests/base/testing.h"
#include "tests/ha_io/pair.h"
#include "tests/ha_io/tcp_proxy.h"

namespace baton::ha {
namespace {

using Kind = PeerRefusals::Kind;

class HeartbeatFilterTest : public testing::Test {
 protected:
  Heartbeat Beat(uint64_t instance, uint64_t sequence) {
    Heartbeat beat;
    beat.set_protocol(1);
    beat.set_pool_id(kPool);
    beat.set_node("b");
    beat.set_instance(instance);
    beat.set_sequence(sequence);
    return beat;
  }
  std::optional<Kind> ObjectionTo(const Heartbeat& beat) {
    const std::optional<Objection> objection = filter_.Examine(beat);
    if (!objection) return std::nullopt;
    return objection->kind;
  }

 private:
  PeerIdentity identity_{
      .node = "a", .pool_id = kPool, .instance = 1, .protocol = 1, .security = {}};
  HeartbeatFilter filter_{"b", identity_};
};

TEST_F(HeartbeatFilterTest, ThoseInOrderCountWithGaps) {
  EXPECT_EQ(ObjectionTo(Beat(1, 1)), std::nullopt);
  EXPECT_EQ(ObjectionTo(Beat(1, 2)), std::nullopt);
  EXPECT_EQ(ObjectionTo(Beat(1, 9)), std::nullopt);
}

TEST_F(HeartbeatFilterTest, AnOldOneIsAReplay) {
  EXPECT_EQ(ObjectionTo(Beat(1, 5)), std::nullopt);
  EXPECT_EQ(ObjectionTo(Beat(1, 5)), Kind::kReplay);
  EXPECT_EQ(ObjectionTo(Beat(1, 4)), Kind::kReplay);
  EXPECT_EQ(ObjectionTo(Beat(1, 6)), std::nullopt);
}

TEST_F(HeartbeatFilterTest, ANewProcessCountsAndItsPredecessorNeverAgain) {
  EXPECT_EQ(ObjectionTo(Beat(1, 5)), std::nullopt);
  EXPECT_EQ(ObjectionTo(Beat(2, 1)), std::nullopt);
  EXPECT_EQ(ObjectionTo(Beat(1, 6)), Kind::kReplay);
  EXPECT_EQ(ObjectionTo(Beat(2, 2)), std::nullopt);
}

TEST_F(HeartbeatFilterTest, OthersAreRefusedByKind) {
  Heartbeat beat = Beat(1, 1);
  beat.set_pool_id("another");
  EXPECT_EQ(ObjectionTo(beat), Kind::kPool);
  beat = Beat(1, 1);
  beat.set_protocol(2);
  EXPECT_EQ(ObjectionTo(beat), Kind::kProtocol);
  beat = Beat(1, 1);
  beat.set_node("a");
  EXPECT_EQ(ObjectionTo(beat), Kind::kName);
  beat.set_node("c");
  EXPECT_EQ(ObjectionTo(beat), Kind::kName);
}

TEST(HeartbeatBoundTest, LongOnesAreCut) {
  Heartbeat beat;
  beat.set_health(std::string(kMaxHeartbeatText - 1, 'x') + "ü and more");
  for (int i = 0; i < kMaxClonesPerHeartbeat + 10; ++i) {
    beat.add_clones()->set_state(std::string(static_cast<size_t>(i), 'y'));
  }
  Bound(beat);
  EXPECT_EQ(beat.health(), std::string(kMaxHeartbeatText - 1, 'x'));
  EXPECT_EQ(beat.clones_size(), kMaxClonesPerHeartbeat);
  EXPECT_LT(beat.ByteSizeLong(), kMaxHeartbeatBytes);
}

class HeartbeatTest : public testing::TestWithParam<Pair::Mode> {
 protected:
  // b publishes until a has heard one more.
  bool Hears(Pair& pair) {
    const size_t before = pair.a.heard();
    return Eventually([&] {
      Heartbeat beat;
      beat.set_state("owner");
      beat.set_epoch(5);
      pair.b.network->Publish(beat);
      absl::SleepFor(absl::Milliseconds(10));
      return pair.a.heard() > before;
    });
  }
};

INSTANTIATE_TEST_SUITE_P(, HeartbeatTest,
                         testing::Values(Pair::Mode::kKeys, Pair::Mode::kPlaintext),
                         [](const auto& info) {
                           return info.param == Pair::Mode::kKeys ? "Keys" : "Plaintext";
                         });

TEST_P(HeartbeatTest, ArriveWithWhatTheNetworkFillsIn) {
  Pair pair(GetParam());
  ASSERT_TRUE(Hears(pair));
  const Heartbeat beat = pair.a.last();
  EXPECT_EQ(beat.node(), "b");
  EXPECT_EQ(beat.pool_id(), kPool);
  EXPECT_EQ(beat.protocol(), kProtocol);
  EXPECT_NE(beat.instance(), 0u);
  EXPECT_EQ(beat.state(), "owner");
  EXPECT_EQ(beat.epoch(), 5u);
}

TEST_P(HeartbeatTest, OfARestartedPeerArriveAgain) {
  Pair pair(GetParam());
  ASSERT_TRUE(Hears(pair));
  const uint64_t instance = pair.a.last().instance();
  pair.StopB();
  pair.StartB();
  ASSERT_TRUE(Hears(pair));
  EXPECT_NE(pair.a.last().instance(), instance);
}

TEST_P(HeartbeatTest, ThatNobodyPublishesDoNotArrive) {
  Pair pair(GetParam());
  ASSERT_TRUE(Hears(pair));
  const size_t heard = pair.a.heard();
  absl::SleepFor(kHeartbeatRenewal + absl::Milliseconds(300));
  EXPECT_EQ(pair.a.heard(), heard);
  // The subscription was made anew meanwhile.
  EXPECT_TRUE(Hears(pair));
}

}  // namespace
}  // namespace baton::ha
