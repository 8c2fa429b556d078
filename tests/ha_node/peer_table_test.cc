// What counts as a peer that is heard.
#include "ha/node/peer_table.h"

#include <gtest/gtest.h>

#include "tests/sim/sim_runtime.h"

namespace baton::ha {
namespace {

class PeerTableTest : public testing::Test {
 protected:
  void Hear(const std::string& node, const std::string& health = "", bool eligible = false) {
    Heartbeat heartbeat;
    heartbeat.set_node(node);
    heartbeat.set_health(health);
    heartbeat.set_eligible(eligible);
    table_.Note(heartbeat);
  }
  // How long that took.
  absl::Duration AwaitHealthy(const std::string& name, absl::Duration patience) {
    const absl::Duration began = runtime_.BootTime();
    table_.AwaitHealthy(name, began + patience);
    return runtime_.BootTime() - began;
  }

  sim::SimRuntime runtime_{1};
  PeerTable table_{runtime_, absl::Milliseconds(500)};
};

TEST_F(PeerTableTest, KnowsNothingOfOneThatWasNeverHeard) {
  EXPECT_EQ(table_.SilenceOf("b"), absl::InfiniteDuration());
  EXPECT_FALSE(table_.Find("b").has_value());
  EXPECT_FALSE(table_.HearsLately("b"));
  EXPECT_TRUE(table_.All().empty());
}

TEST_F(PeerTableTest, HearsLatelyForHalfASecond) {
  Hear("b");
  EXPECT_TRUE(table_.HearsLately("b"));
  runtime_.SleepFor(absl::Milliseconds(499));
  EXPECT_TRUE(table_.HearsLately("b"));
  runtime_.SleepFor(absl::Milliseconds(2));
  EXPECT_FALSE(table_.HearsLately("b"));
  EXPECT_GT(table_.SilenceOf("b"), absl::Milliseconds(500));
  EXPECT_LT(table_.SilenceOf("b"), absl::Milliseconds(510));
}

TEST_F(PeerTableTest, HearsForTwiceThatTime) {
  EXPECT_FALSE(table_.Hears("b"));
  Hear("b");
  runtime_.SleepFor(absl::Milliseconds(999));
  EXPECT_TRUE(table_.Hears("b"));
  runtime_.SleepFor(absl::Milliseconds(2));
  EXPECT_FALSE(table_.Hears("b"));
}

TEST_F(PeerTableTest, CountsInTimesOfThePool) {
  PeerTable slow(runtime_, absl::Seconds(3));
  Heartbeat heartbeat;
  heartbeat.set_node("b");
  slow.Note(heartbeat);
  runtime_.SleepFor(absl::Seconds(2));
  EXPECT_TRUE(slow.HearsLately("b"));
  runtime_.SleepFor(absl::Seconds(2));
  EXPECT_FALSE(slow.HearsLately("b"));
  EXPECT_TRUE(slow.Hears("b"));
}

TEST_F(PeerTableTest, KeepsTheLastHeartbeatOfEach) {
  Hear("b", "old");
  Hear("c", "other");
  Hear("b", "new");
  ASSERT_TRUE(table_.Find("b").has_value());
  EXPECT_EQ(table_.Find("b")->last.health(), "new");
  EXPECT_EQ(table_.Find("c")->last.health(), "other");
  EXPECT_EQ(table_.All().size(), 2u);
}

TEST_F(PeerTableTest, OneThatMayTakeOverCountsWhileItIsHeard) {
  Hear("b");
  EXPECT_FALSE(table_.HearsEligible());
  Hear("c", "", true);
  EXPECT_TRUE(table_.HearsEligible());
  runtime_.SleepFor(absl::Milliseconds(600));
  Hear("b");
  EXPECT_FALSE(table_.HearsEligible());
}

TEST_F(PeerTableTest, DoesNotWaitForOneThatIsHealthy) {
  Hear("b");
  EXPECT_LT(AwaitHealthy("b", absl::Seconds(3)), absl::Milliseconds(1));
  EXPECT_LT(AwaitHealthy("", absl::Seconds(3)), absl::Milliseconds(1));
}

TEST_F(PeerTableTest, WaitsForTheOneThatWasNamed) {
  Hear("b");
  const auto thread = runtime_.StartThread("peer", [this] {
    runtime_.SleepFor(absl::Seconds(1));
    Hear("c", "no storage");
    runtime_.SleepFor(absl::Seconds(1));
    Hear("c");
  });
  const absl::Duration waited = AwaitHealthy("c", absl::Seconds(3));
  EXPECT_GE(waited, absl::Seconds(2));
  EXPECT_LT(waited, absl::Seconds(2.5));
}

TEST_F(PeerTableTest, WaitsNoLongerThanAsked) {
  const absl::Duration waited = AwaitHealthy("c", absl::Seconds(3));
  EXPECT_GE(waited, absl::Seconds(3));
  EXPECT_LT(waited, absl::Seconds(3.1));
}

TEST_F(PeerTableTest, NobodyWaitsAfterTheEnd) {
  const auto thread = runtime_.StartThread("end", [this] {
    runtime_.SleepFor(absl::Seconds(1));
    table_.Stop();
  });
  EXPECT_LT(AwaitHealthy("c", absl::Seconds(30)), absl::Seconds(1.5));
}

}  // namespace
}  // namespace baton::ha
