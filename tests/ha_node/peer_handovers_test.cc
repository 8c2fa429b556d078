// Orders between controllers when the owner changes: who is asked, who waits, what is answered.
#include "ha/node/peer_handovers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/base/testing.h"
#include "tests/ha_node/fake_network.h"
#include "tests/sim/sim_runtime.h"

namespace baton::ha {
namespace {

class PeerHandoversTest : public testing::Test {
 protected:
  // What the coordinator would be told.
  std::vector<Event> Events() { return events_.Take(runtime_.BootTime()); }
  // The coordinator's answer to the peer, after a while.
  std::unique_ptr<Thread> AnswerLater(const std::string& to, bool ok) {
    return runtime_.StartThread("coordinator", [this, to, ok] {
      runtime_.SleepFor(absl::Seconds(1));
      handovers_.Answer({.to = to, .epoch = 7, .ok = ok});
    });
  }
  void LetWork() { runtime_.SleepFor(absl::Seconds(1)); }

  sim::SimRuntime runtime_{1};
  FakeNetwork network_;
  SealFeedback feedback_;
  EventQueue events_{runtime_};
  PeerHandovers handovers_{runtime_, network_, feedback_, events_};
};

TEST_F(PeerHandoversTest, APeerThatAsksForASealGetsTheFeedbackOfIt) {
  feedback_.KeepOwn(7, {Residual()});
  const auto coordinator = AnswerLater("b", true);
  const peer_api::Answer answer = Must(handovers_.AnswerStop("b", 7));
  EXPECT_EQ(answer.feedback().epoch(), 7u);
  EXPECT_EQ(answer.feedback().residuals_size(), 1);
  const std::vector<Event> events = Events();
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(std::get<event::StopAsked>(events[0]).node, "b");
  EXPECT_EQ(std::get<event::StopAsked>(events[0]).epoch, 7u);
}

TEST_F(PeerHandoversTest, AFeedbackOfAnotherEpochIsNoAnswer) {
  feedback_.KeepOwn(6, {});
  const auto coordinator = AnswerLater("b", true);
  EXPECT_TRUE(absl::IsFailedPrecondition(handovers_.AnswerStop("b", 7).status()));
}

TEST_F(PeerHandoversTest, ARefusedSealIsToldAsThat) {
  feedback_.KeepOwn(7, {});
  const auto coordinator = AnswerLater("b", false);
  EXPECT_TRUE(absl::IsFailedPrecondition(handovers_.AnswerStop("b", 7).status()));
}

TEST_F(PeerHandoversTest, AnAnswerToAnotherPeerOrAnEarlierQuestionDoesNotCount) {
  feedback_.KeepOwn(7, {});
  handovers_.Answer({.to = "b", .epoch = 7, .ok = true});
  const auto coordinator = AnswerLater("c", true);
  EXPECT_TRUE(absl::IsDeadlineExceeded(handovers_.AnswerStop("b", 7).status()));
}

TEST_F(PeerHandoversTest, NobodyWaitsForASealAfterTheEnd) {
  const absl::Duration began = runtime_.BootTime();
  const auto end = runtime_.StartThread("end", [this] {
    runtime_.SleepFor(absl::Seconds(1));
    handovers_.StopWaiting();
  });
  EXPECT_FALSE(handovers_.AnswerStop("b", 7).ok());
  EXPECT_LT(runtime_.BootTime() - began, absl::Seconds(2));
}

TEST_F(PeerHandoversTest, AnOfferIsForTheCoordinatorAndItsFeedbackForTheRecovery) {
  peer_api::Offer offer;
  offer.mutable_feedback()->set_epoch(7);
  EXPECT_OK(handovers_.AnswerOffer("b", offer).status());
  EXPECT_TRUE(feedback_.ReceivedOf(7).has_value());
  const std::vector<Event> events = Events();
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(std::get<event::HandoverOffered>(events[0]).node, "b");
  EXPECT_EQ(std::get<event::HandoverOffered>(events[0]).epoch, 7u);
}

TEST_F(PeerHandoversTest, AnOwnerThatDoesNotAnswerIsNotTakenForOneThatRefuses) {
  handovers_.AskToStop({.node = "b", .epoch = 7});
  LetWork();
  ASSERT_EQ(network_.calls.size(), 1u);
  EXPECT_EQ(network_.calls[0].peer, "b");
  EXPECT_EQ(network_.calls[0].call.stop().epoch(), 7u);
  EXPECT_TRUE(Events().empty());
}

TEST_F(PeerHandoversTest, WhatAStoppedOwnerSaysIsKept) {
  network_.answer = [](const FakeNetwork::Asked&) {
    peer_api::Answer answer;
    answer.mutable_feedback()->set_epoch(7);
    return answer;
  };
  handovers_.AskToStop({.node = "b", .epoch = 7});
  LetWork();
  EXPECT_TRUE(feedback_.ReceivedOf(7).has_value());
  const std::vector<Event> events = Events();
  ASSERT_EQ(events.size(), 1u);
  EXPECT_TRUE(std::get<event::StopAnswered>(events[0]).ok);
}

TEST_F(PeerHandoversTest, AnOwnerThatRefusesIsReported) {
  network_.answer = [](const FakeNetwork::Asked&) -> absl::StatusOr<peer_api::Answer> {
    return absl::FailedPreconditionError("not sealed");
  };
  handovers_.AskToStop({.node = "b", .epoch = 7});
  LetWork();
  const std::vector<Event> events = Events();
  ASSERT_EQ(events.size(), 1u);
  EXPECT_FALSE(std::get<event::StopAnswered>(events[0]).ok);
  EXPECT_FALSE(feedback_.ReceivedOf(7).has_value());
}

TEST_F(PeerHandoversTest, AnOfferIsMadeThreeTimesAtMost) {
  feedback_.KeepOwn(7, {Residual()});
  handovers_.Offer({.to = "b", .epoch = 7});
  LetWork();
  EXPECT_EQ(network_.calls.size(), 3u);
  network_.calls.clear();
  network_.answer = [](const FakeNetwork::Asked&) { return peer_api::Answer(); };
  handovers_.Offer({.to = "b", .epoch = 7});
  LetWork();
  ASSERT_EQ(network_.calls.size(), 1u);
  EXPECT_EQ(network_.calls[0].call.offer().feedback().epoch(), 7u);
  EXPECT_EQ(network_.calls[0].call.offer().feedback().residuals_size(), 1);
}

}  // namespace
}  // namespace baton::ha
