// Handovers and takeovers that an operator asks for, and the questions of commands to the owner.
#include "ha/node/operator_orders.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ha/node/owner_client.h"
#include "tests/base/testing.h"
#include "tests/ha_node/fake_network.h"
#include "tests/sim/sim_runtime.h"

namespace baton::ha {
namespace {

using testing::HasSubstr;

Ownership OwnedBy(const std::string& owner, uint64_t epoch) {
  Ownership ownership;
  ownership.is_owner = owner == "a";
  ownership.serves = !owner.empty();
  ownership.owner = owner;
  ownership.epoch = epoch;
  return ownership;
}

// Of node a, with the peers b and c.
class OperatorOrdersTest : public testing::Test {
 protected:
  OperatorOrdersTest() { board_.Publish(OwnedBy("a", 7)); }

  void Hear(const std::string& node) {
    Heartbeat heartbeat;
    heartbeat.set_node(node);
    table_.Note(heartbeat);
  }
  std::unique_ptr<Thread> Later(absl::Duration after, std::function<void()> what) {
    return runtime_.StartThread("later", [this, after, what] {
      runtime_.SleepFor(after);
      what();
    });
  }

  sim::SimRuntime runtime_{1};
  PeerTable table_{runtime_, absl::Milliseconds(500)};
  OwnershipBoard board_{runtime_};
  EventQueue events_{runtime_};
  OperatorOrders orders_{runtime_, {"b", "c"}, table_, board_, events_};
};

TEST_F(OperatorOrdersTest, AHandoverIsDoneWhenAPeerServesALaterEpoch) {
  Hear("b");
  const auto sealed = Later(absl::Seconds(1), [this] { board_.Publish(OwnedBy("", 7)); });
  const auto claimed = Later(absl::Seconds(2), [this] { board_.Publish(OwnedBy("b", 8)); });
  const Ownership after = Must(orders_.HandOver("b", absl::Seconds(30)));
  EXPECT_EQ(after.owner, "b");
  EXPECT_EQ(after.epoch, 8u);
  const std::vector<Event> events = events_.Take(runtime_.BootTime());
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(std::get<event::Handover>(events[0]).to, "b");
}

TEST_F(OperatorOrdersTest, ARefusalEndsAHandoverAndDoesNotEndTheNextOne) {
  Hear("b");
  const auto refused = Later(absl::Seconds(1), [this] { board_.Refuse("it is not fit"); });
  const absl::Status first = orders_.HandOver("b", absl::Seconds(30)).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(first));
  EXPECT_THAT(first.message(), HasSubstr("it is not fit"));
  Hear("b");
  const auto claimed = Later(absl::Seconds(1), [this] { board_.Publish(OwnedBy("b", 8)); });
  EXPECT_OK(orders_.HandOver("b", absl::Seconds(30)).status());
}

TEST_F(OperatorOrdersTest, AnOwnerThatTookItsPoolBackSaysSo) {
  Hear("b");
  const auto claimed = Later(absl::Seconds(1), [this] { board_.Publish(OwnedBy("a", 8)); });
  const absl::Status status = orders_.HandOver("b", absl::Seconds(30)).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(status));
  EXPECT_THAT(status.message(), HasSubstr("this one owns it again"));
}

TEST_F(OperatorOrdersTest, AHandoverThatLeadsToNothingEndsInTime) {
  const absl::Duration began = runtime_.BootTime();
  EXPECT_TRUE(absl::IsDeadlineExceeded(orders_.HandOver("b", absl::Seconds(10)).status()));
  EXPECT_GE(runtime_.BootTime() - began, absl::Seconds(10));
  EXPECT_LT(runtime_.BootTime() - began, absl::Seconds(11));
}

TEST_F(OperatorOrdersTest, ItsNodeGetsAMomentToBeHeard) {
  const auto heard = Later(absl::Seconds(2), [this] { Hear("b"); });
  const auto early =
      Later(absl::Seconds(1.9), [this] { EXPECT_TRUE(events_.Take(runtime_.BootTime()).empty()); });
  const auto late = Later(absl::Seconds(2.5), [this] {
    EXPECT_EQ(events_.Take(runtime_.BootTime()).size(), 1u);
    board_.Publish(OwnedBy("b", 8));
  });
  EXPECT_OK(orders_.HandOver("b", absl::Seconds(30)).status());
}

TEST_F(OperatorOrdersTest, NobodyWaitsForANodeThatThereIsNot) {
  const auto refused = Later(absl::Milliseconds(10), [this] {
    EXPECT_EQ(events_.Take(runtime_.BootTime()).size(), 1u);
    board_.Refuse("there is no such node");
  });
  EXPECT_TRUE(absl::IsFailedPrecondition(orders_.HandOver("x", absl::Seconds(30)).status()));
}

TEST_F(OperatorOrdersTest, ATakeoverIsDoneWhenThisNodeServes) {
  board_.Publish(OwnedBy("b", 7));
  const auto claimed = Later(absl::Seconds(1), [this] { board_.Publish(OwnedBy("a", 8)); });
  EXPECT_EQ(Must(orders_.TakeOver(7, true, absl::Seconds(30))).epoch, 8u);
  const std::vector<Event> events = events_.Take(runtime_.BootTime());
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(std::get<event::OperatorTakeover>(events[0]).epoch, 7u);
  EXPECT_TRUE(std::get<event::OperatorTakeover>(events[0]).owner_is_dead);
  board_.Publish(OwnedBy("b", 9));
  EXPECT_TRUE(absl::IsDeadlineExceeded(orders_.TakeOver(9, false, absl::Seconds(1)).status()));
}

// Otherwise the first look would be taken for a new epoch, and the order would be forgotten.
TEST_F(OperatorOrdersTest, ATakeoverBeginsAfterTheFirstLookAtTheLease) {
  board_.Publish(OwnedBy("", 0));
  const auto looked = Later(absl::Seconds(1), [this] {
    EXPECT_TRUE(events_.Take(runtime_.BootTime()).empty());
    board_.Publish(OwnedBy("", 7));
  });
  const auto claimed = Later(absl::Seconds(2), [this] { board_.Publish(OwnedBy("a", 8)); });
  EXPECT_EQ(Must(orders_.TakeOver(0, true, absl::Seconds(30))).epoch, 8u);
  const std::vector<Event> events = events_.Take(runtime_.BootTime());
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(std::get<event::OperatorTakeover>(events[0]).epoch, 7u);
  EXPECT_TRUE(std::get<event::OperatorTakeover>(events[0]).owner_is_dead);
}

TEST_F(OperatorOrdersTest, ATakeoverOfAPoolThatNobodyHasOwnedBeginsAllTheSame) {
  board_.Publish(OwnedBy("", 0));
  const auto claimed = Later(absl::Seconds(4), [this] { board_.Publish(OwnedBy("a", 1)); });
  EXPECT_EQ(Must(orders_.TakeOver(0, false, absl::Seconds(30))).epoch, 1u);
  EXPECT_EQ(events_.Take(runtime_.BootTime()).size(), 1u);
}

TEST_F(OperatorOrdersTest, ATakeoverEndsWhenAnotherNodeWasFaster) {
  board_.Publish(OwnedBy("", 7));
  const auto claimed = Later(absl::Seconds(1), [this] { board_.Publish(OwnedBy("", 8)); });
  const auto served = Later(absl::Seconds(2), [this] { board_.Publish(OwnedBy("b", 8)); });
  const absl::Duration began = runtime_.BootTime();
  const Ownership after = Must(orders_.TakeOver(7, false, absl::Seconds(30)));
  EXPECT_FALSE(after.is_owner);
  EXPECT_EQ(after.owner, "b");
  EXPECT_LT(runtime_.BootTime() - began, absl::Seconds(3));
}

// The operator saw epoch 7 without an owner that serves; b has claimed the next one meanwhile.
TEST_F(OperatorOrdersTest, ATakeoverIsOfTheEpochThatWasSeen) {
  board_.Publish(OwnedBy("b", 8));
  EXPECT_EQ(Must(orders_.TakeOver(7, false, absl::Seconds(30))).owner, "b");
  const std::vector<Event> events = events_.Take(runtime_.BootTime());
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(std::get<event::OperatorTakeover>(events[0]).epoch, 7u);
}

// Of node a.
class OwnerClientTest : public OperatorOrdersTest, protected CommandTarget {
 protected:
  absl::StatusOr<std::string> HandleAsOwner(const std::string& peer,
                                            const std::string& request) override {
    return peer + " asks here: " + request;
  }
  absl::Duration TimeOf(const std::function<void()>& what) {
    const absl::Duration began = runtime_.BootTime();
    what();
    return runtime_.BootTime() - began;
  }

  FakeNetwork network_;
  OwnerClient client_{runtime_, "a", *this, network_, board_};
};

TEST_F(OwnerClientTest, AnOwnerAnswersItself) {
  EXPECT_EQ(Must(client_.Ask("status", absl::Seconds(60))), "a asks here: status");
  EXPECT_TRUE(network_.calls.empty());
}

TEST_F(OwnerClientTest, AsksThePeerThatOwnsThePool) {
  board_.Publish(OwnedBy("b", 7));
  network_.answer = [](const FakeNetwork::Asked& asked) {
    peer_api::Answer answer;
    answer.set_control(asked.peer + " got " + asked.call.control());
    return answer;
  };
  EXPECT_EQ(Must(client_.Ask("status", absl::Seconds(60))), "b got status");
}

TEST_F(OwnerClientTest, WaitsForAnOwnerAndNotForEver) {
  board_.Publish(OwnedBy("", 7));
  const auto claimed = Later(absl::Seconds(3), [this] { board_.Publish(OwnedBy("a", 8)); });
  EXPECT_OK(client_.Ask("status", absl::Seconds(60)).status());
  board_.Publish(OwnedBy("", 8));
  absl::Status status;
  const absl::Duration waited =
      TimeOf([&] { status = client_.Ask("status", absl::Seconds(60)).status(); });
  EXPECT_TRUE(absl::IsUnavailable(status));
  EXPECT_GE(waited, absl::Seconds(10));
  EXPECT_LT(waited, absl::Seconds(11));
}

TEST_F(OwnerClientTest, AsksAgainWhileTheOwnerChanges) {
  board_.Publish(OwnedBy("b", 7));
  network_.answer = [this](const FakeNetwork::Asked&) -> absl::StatusOr<peer_api::Answer> {
    if (network_.calls.size() < 3) return absl::AbortedError("it has just given the epoch back");
    return peer_api::Answer();
  };
  EXPECT_OK(client_.Ask("status", absl::Seconds(60)).status());
  EXPECT_EQ(network_.calls.size(), 3u);
  EXPECT_TRUE(board_.Read().serves);
}

TEST_F(OwnerClientTest, AsksNobodyAgainOnceItIsTheEnd) {
  board_.Publish(OwnedBy("b", 7));
  network_.answer = [](const FakeNetwork::Asked&) -> absl::StatusOr<peer_api::Answer> {
    return absl::AbortedError("it has just given the epoch back");
  };
  client_.Stop();
  EXPECT_TRUE(absl::IsUnavailable(client_.Ask("status", absl::Seconds(60)).status()));
  EXPECT_EQ(network_.calls.size(), 1u);
}

TEST_F(OwnerClientTest, TellsWhatTheOwnerRefusesAtOnce) {
  board_.Publish(OwnedBy("b", 7));
  network_.answer = [](const FakeNetwork::Asked&) -> absl::StatusOr<peer_api::Answer> {
    return absl::NotFoundError("no such volume");
  };
  EXPECT_TRUE(absl::IsNotFound(client_.Ask("volume show x", absl::Seconds(60)).status()));
  EXPECT_EQ(network_.calls.size(), 1u);
}

}  // namespace
}  // namespace baton::ha
