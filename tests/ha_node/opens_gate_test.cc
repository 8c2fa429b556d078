// A command that discards content waits until it is known what is open on every node.
#include "ha/node/opens_gate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ha/volumes/volume_adapter.h"
#include "tests/base/testing.h"
#include "tests/ha_volumes/no_locks.h"
#include "tests/sim/sim_runtime.h"

namespace baton::ha {
namespace {

using testing::HasSubstr;

// At the owner a, with the peers b and c.
class OpensGateTest : public testing::Test {
 protected:
  OpensGateTest() {
    router_.Route(&local_);
    served_.Begin(1);
    epoch_.Begin({});
  }

  void Tell(const std::string& peer) {
    peer_api::Call call;
    call.mutable_open_set()->set_order(1);
    call.mutable_open_set()->set_boot_id("boot");
    EXPECT_OK(served_.Answer(peer, call).status());
  }
  void TellAll() {
    EXPECT_TRUE(router_.TellOpen());
    Tell("b");
    Tell("c");
  }
  void Hear(const std::string& node) {
    Heartbeat heartbeat;
    heartbeat.set_node(node);
    peers_.Note(heartbeat);
  }
  absl::Duration Await(bool degraded, absl::Status& status) {
    const absl::Duration began = runtime_.BootTime();
    status = gate_.Await(degraded);
    return runtime_.BootTime() - began;
  }

  sim::SimRuntime runtime_{1};
  Drainable<OwnedPool> pool_;
  VolumeAdapter local_{pool_};
  NoLocks locks_;
  Router router_{runtime_};
  ServedVolumes served_{local_, locks_};
  PeerTable peers_{runtime_, absl::Milliseconds(500)};
  ServedEpoch epoch_{runtime_};
  OpensGate gate_{
      runtime_,
      {.self = "a", .peers = {"b", "c"}},
      {.router = router_, .local = local_, .served = served_, .peers = peers_, .epoch = epoch_}};
  absl::Status status_;
};

TEST_F(OpensGateTest, IsOpenWhenAllHaveTold) {
  TellAll();
  EXPECT_LT(Await(false, status_), absl::Milliseconds(1));
  EXPECT_OK(status_);
}

TEST_F(OpensGateTest, WaitsForTheLastOne) {
  EXPECT_TRUE(router_.TellOpen());
  Tell("c");
  const auto peer = runtime_.StartThread("peer", [this] {
    runtime_.SleepFor(absl::Seconds(2));
    Tell("b");
  });
  const absl::Duration waited = Await(false, status_);
  EXPECT_OK(status_);
  EXPECT_GE(waited, absl::Seconds(2));
  EXPECT_LT(waited, absl::Seconds(2.1));
}

TEST_F(OpensGateTest, NamesTheNodeThatDoesNotTell) {
  EXPECT_TRUE(router_.TellOpen());
  Tell("b");
  const absl::Duration waited = Await(false, status_);
  EXPECT_TRUE(absl::IsFailedPrecondition(status_));
  EXPECT_THAT(status_.message(), HasSubstr("node c has not told"));
  EXPECT_GE(waited, absl::Seconds(8));
  EXPECT_LT(waited, absl::Seconds(9));
}

TEST_F(OpensGateTest, ThisNodesMountCountsToo) {
  Tell("b");
  Tell("c");
  Await(false, status_);
  EXPECT_THAT(status_.message(), HasSubstr("node a has not told"));
}

TEST_F(OpensGateTest, DegradedWaitsUntilTheMissingOneIsSilentForLong) {
  EXPECT_TRUE(router_.TellOpen());
  Tell("b");
  Hear("c");
  const absl::Duration waited = Await(true, status_);
  EXPECT_OK(status_);
  EXPECT_GE(waited, absl::Seconds(5));
  EXPECT_LT(waited, absl::Seconds(5.5));
}

TEST_F(OpensGateTest, DegradedDoesNotLeaveOutANodeThatIsHeard) {
  EXPECT_TRUE(router_.TellOpen());
  Tell("b");
  const auto peer = runtime_.StartThread("peer", [this] {
    for (int i = 0; i < 10; ++i) {
      Hear("c");
      runtime_.SleepFor(absl::Seconds(1));
    }
  });
  Await(true, status_);
  EXPECT_TRUE(absl::IsFailedPrecondition(status_));
}

TEST_F(OpensGateTest, WhatASilentNodeHadOpenIsForgottenByDegradedAlone) {
  TellAll();
  runtime_.SleepFor(absl::Seconds(6));
  Hear("c");
  EXPECT_OK(gate_.Await(false));
  EXPECT_TRUE(served_.HasTold("b"));
  EXPECT_OK(gate_.Await(true));
  EXPECT_FALSE(served_.HasTold("b"));
  EXPECT_TRUE(served_.HasTold("c"));
}

TEST_F(OpensGateTest, ANodeThatWasProvenToBeOffHasNothingOpenUntilItIsBack) {
  epoch_.Begin({.off_node = "c"});
  EXPECT_TRUE(router_.TellOpen());
  Tell("b");
  EXPECT_OK(gate_.Await(false));
  const auto peer = runtime_.StartThread("peer", [this] {
    for (int i = 0; i < 100; ++i) {
      Hear("c");
      runtime_.SleepFor(absl::Milliseconds(100));
    }
  });
  runtime_.SleepFor(absl::Milliseconds(50));
  Await(false, status_);
  EXPECT_THAT(status_.message(), HasSubstr("node c has not told"));
}

TEST_F(OpensGateTest, WhoWaitsIsSentAwayWhenTheEpochEnds) {
  const auto sealer = runtime_.StartThread("sealer", [this] {
    runtime_.SleepFor(absl::Seconds(1));
    epoch_.End();
  });
  const absl::Duration waited = Await(false, status_);
  EXPECT_TRUE(absl::IsAborted(status_));
  EXPECT_LT(waited, absl::Seconds(1.5));
}

}  // namespace
}  // namespace baton::ha
