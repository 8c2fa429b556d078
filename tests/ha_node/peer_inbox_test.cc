// What peers say and ask reaches whom it concerns; evicted peers in particular.
#include "ha/node/peer_inbox.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ha/io/eviction_status.h"
#include "ha/io/peer_api_codec.h"
#include "ha/volumes/volume_adapter.h"
#include "tests/base/testing.h"
#include "tests/ha_node/fake_network.h"
#include "tests/ha_volumes/no_locks.h"
#include "tests/sim/sim_runtime.h"

namespace baton::ha {
namespace {

using testing::ElementsAre;

// At node a, with the peers b and c.
class PeerInboxTest : public testing::Test,
                      protected CommandTarget,
                      protected EpochServices,
                      protected MountEvents {
 protected:
  absl::StatusOr<std::string> HandleAsOwner(const std::string& peer,
                                            const std::string& request) override {
    if (request == "nothing") return absl::AbortedError("not the owner");
    return peer + " asked " + request;
  }
  void Begin(OwnedEpoch&, OwnerPeers&) override {}
  void End() override {}
  absl::Status Readmit(const std::string& node, uint64_t eviction) override {
    readmitted_.push_back(node + " " + std::to_string(eviction));
    return may_readmit_;
  }
  void ContentChanged(uint64_t volume_id) override {
    told_.push_back("content " + std::to_string(volume_id));
  }
  void LockFreed(uint64_t volume_id) override {
    told_.push_back("lock " + std::to_string(volume_id));
  }

  absl::StatusOr<peer_api::Answer> Ask(const peer_api::Call& call) {
    return ParseAnswer(inbox_.Answer("b", call.SerializeAsString()));
  }
  absl::StatusOr<peer_api::Answer> TellOpenSet(uint64_t ended_eviction,
                                               const std::vector<uint64_t>& ids) {
    peer_api::Call call;
    peer_api::OpenSet& set = *call.mutable_open_set();
    set.set_order(++order_);
    set.set_boot_id("boot");
    set.set_ended_eviction(ended_eviction);
    set.mutable_ids()->Assign(ids.begin(), ids.end());
    return Ask(call);
  }
  void Evict(const std::string& node, uint64_t id) {
    served_.Begin(1);
    EvictionRecord eviction;
    eviction.set_id(id);
    eviction.set_node(node);
    EXPECT_OK(served_.Evict(eviction));
  }
  static Heartbeat HeartbeatOf(const std::string& node, State state) {
    Heartbeat heartbeat;
    heartbeat.set_node(node);
    heartbeat.set_state(Name(state));
    heartbeat.set_epoch(7);
    return heartbeat;
  }
  std::vector<Event> Events() { return events_.Take(runtime_.BootTime()); }

  std::vector<std::string> readmitted_;
  std::vector<std::string> told_;
  absl::Status may_readmit_;
  uint64_t order_ = 0;

  sim::SimRuntime runtime_{1};
  FakeNetwork network_;
  EventQueue events_{runtime_};
  PeerTable peers_{runtime_, absl::Milliseconds(500)};
  OwnershipBoard board_{runtime_};
  ServedEpoch epoch_{runtime_};
  LatestLease lease_;
  SealFeedback feedback_;
  Drainable<OwnedPool> pool_;
  VolumeAdapter local_{pool_};
  NoLocks locks_;
  Router router_{runtime_};
  RemotePeers remotes_;
  ServedVolumes served_{local_, locks_};
  OpensReporter opens_{runtime_, router_, remotes_, network_, [](const absl::Status&) {}};
  NodeEvictions evictions_{runtime_,
                           {.self = "a", .peers = {"b", "c"}},
                           {.network = network_,
                            .served = served_,
                            .services = *this,
                            .epoch = epoch_,
                            .peers = peers_}};
  StorageWatch watch_{{.runtime = runtime_, .pool = "/nonexistent", .pool_id = "pool", .node = "a"},
                      {}};
  ViewFollower follower_{runtime_, watch_, lease_, board_};
  StorageJobs jobs_{runtime_};
  StandbyCommands standby_{runtime_, watch_, follower_, jobs_};
  PeerHandovers handovers_{runtime_, network_, feedback_, events_};
  PeerInbox inbox_{{.node = "a", .times = {}},
                   {.commands = *this,
                    .mount = *this,
                    .served = served_,
                    .evictions = evictions_,
                    .standby = standby_,
                    .handovers = handovers_,
                    .opens = opens_,
                    .peers = peers_,
                    .events = events_}};
};

TEST_F(PeerInboxTest, RefusesWhatItDoesNotUnderstand) {
  EXPECT_TRUE(absl::IsInvalidArgument(ParseAnswer(inbox_.Answer("b", "\xff\xff")).status()));
  EXPECT_TRUE(absl::IsUnimplemented(Ask(peer_api::Call()).status()));
}

TEST_F(PeerInboxTest, PassesCommandsOnWithTheNameOfThePeer) {
  peer_api::Call call;
  call.set_control("status");
  EXPECT_EQ(Must(Ask(call)).control(), "b asked status");
  call.set_control("nothing");
  EXPECT_TRUE(absl::IsAborted(Ask(call).status()));
}

TEST_F(PeerInboxTest, TellsTheMountWhatTheOwnerSays) {
  peer_api::Call call;
  call.mutable_content_changed()->set_id(3);
  EXPECT_OK(Ask(call).status());
  call.mutable_lock_freed()->set_id(4);
  EXPECT_OK(Ask(call).status());
  EXPECT_THAT(told_, ElementsAre("content 3", "lock 4"));
}

TEST_F(PeerInboxTest, AStandbyThatKnowsNothingYetPreparesNothing) {
  peer_api::Call call;
  call.mutable_prepare()->set_source("x");
  EXPECT_TRUE(absl::IsUnavailable(Ask(call).status()));
}

TEST_F(PeerInboxTest, AHeartbeatIsForTheTableAndTheCoordinator) {
  inbox_.Hear(HeartbeatOf("b", State::kOwner));
  EXPECT_TRUE(peers_.HearsLately("b"));
  const std::vector<Event> events = Events();
  ASSERT_EQ(events.size(), 1u);
  const event::Heartbeat& heard = std::get<event::Heartbeat>(events[0]);
  EXPECT_EQ(heard.node, "b");
  EXPECT_EQ(heard.state, State::kOwner);
  EXPECT_EQ(heard.epoch, 7u);
  EXPECT_TRUE(heard.healthy);
}

TEST_F(PeerInboxTest, ACertificateInAHeartbeatIsAnEventOfItsOwn) {
  Heartbeat heartbeat = HeartbeatOf("b", State::kFollower);
  heartbeat.set_certificate_epoch(6);
  inbox_.Hear(heartbeat);
  const std::vector<Event> events = Events();
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(std::get<event::Certificate>(events[1]).epoch, 6u);
}

TEST_F(PeerInboxTest, AHeartbeatOfAnUnknownStateSaysNothing) {
  Heartbeat heartbeat = HeartbeatOf("b", State::kFollower);
  heartbeat.set_state("dreaming");
  inbox_.Hear(heartbeat);
  EXPECT_FALSE(peers_.HearsLately("b"));
  EXPECT_TRUE(Events().empty());
}

TEST_F(PeerInboxTest, AnEvictionEndsWhenItsNodeShowsThatNothingIsOpen) {
  Evict("b", 5);
  EXPECT_OK(TellOpenSet(5, {}).status());
  EXPECT_THAT(readmitted_, ElementsAre("b 5"));
  EXPECT_EQ(served_.EvictionOfPeer("b"), 0u);
}

// The first answer took long, so that the node has told once more; it may hold locks by now.
TEST_F(PeerInboxTest, AnEvictionEndsOnceHoweverOftenItsNodeShowsIt) {
  Evict("b", 5);
  network_.while_forwarded_ends = [this] { EXPECT_OK(TellOpenSet(5, {}).status()); };
  EXPECT_OK(TellOpenSet(5, {}).status());
  EXPECT_THAT(readmitted_, ElementsAre("b 5"));
}

TEST_F(PeerInboxTest, AnEvictionGoesOnForANodeThatSaysLess) {
  Evict("b", 5);
  EXPECT_EQ(EvictionOf(TellOpenSet(0, {}).status()), 5u);
  EXPECT_EQ(EvictionOf(TellOpenSet(4, {}).status()), 5u);
  EXPECT_EQ(EvictionOf(TellOpenSet(5, {1}).status()), 5u);
  EXPECT_TRUE(readmitted_.empty());
  EXPECT_EQ(served_.EvictionOfPeer("b"), 5u);
}

TEST_F(PeerInboxTest, AnEvictionGoesOnWhileRequestsOfItsNodeRun) {
  Evict("b", 5);
  network_.ends_forwarded = false;
  EXPECT_TRUE(absl::IsAborted(TellOpenSet(5, {}).status()));
  EXPECT_TRUE(readmitted_.empty());
  EXPECT_EQ(served_.EvictionOfPeer("b"), 5u);
}

TEST_F(PeerInboxTest, AnEvictionGoesOnWhereItsEndCannotBeRecorded) {
  Evict("b", 5);
  may_readmit_ = absl::AbortedError("this controller does not own the pool");
  EXPECT_TRUE(absl::IsAborted(TellOpenSet(5, {}).status()));
  EXPECT_EQ(served_.EvictionOfPeer("b"), 5u);
}

TEST_F(PeerInboxTest, WhoIsEvictedIsWhatTheOwnerSaysWhileItServes) {
  Evict("b", 5);
  Ownership ownership;
  ownership.is_owner = true;
  ownership.serves = true;
  ownership.owner = "a";
  EXPECT_THAT(evictions_.Known(ownership), ElementsAre("b"));
  Heartbeat heartbeat = HeartbeatOf("c", State::kOwner);
  heartbeat.add_evicted("x");
  inbox_.Hear(heartbeat);
  ownership.is_owner = false;
  ownership.owner = "c";
  EXPECT_THAT(evictions_.Known(ownership), ElementsAre("x"));
  ownership.serves = false;
  EXPECT_TRUE(evictions_.Known(ownership).empty());
}

}  // namespace
}  // namespace baton::ha
