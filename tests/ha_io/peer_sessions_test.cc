#include "ha/io/peer_sessions.h"

#include <gtest/gtest.h>

namespace baton::ha {
namespace {

constexpr size_t kMost = 4;

TEST(PeerSessionsTest, AHelloIsAnsweredAndThenRequestsCount) {
  PeerSessions sessions;
  EXPECT_EQ(sessions.Queue("r1", kMost).peer, nullptr) << "before the hello";
  sessions.Begin("a", "r1", ZmqMessage::Copy("welcome"));
  EXPECT_EQ(sessions.Queue("r1", kMost).peer, nullptr) << "before the welcome";
  const auto welcomes = sessions.TakeWelcomes();
  ASSERT_EQ(welcomes.size(), 1u);
  EXPECT_EQ(welcomes[0].first, "r1");
  EXPECT_EQ(welcomes[0].second.text(), "welcome");
  const PeerSessions::Ticket ticket = sessions.Queue("r1", kMost);
  ASSERT_NE(ticket.peer, nullptr);
  EXPECT_EQ(ticket.peer->name, "a");
  EXPECT_TRUE(sessions.Run(ticket));
  EXPECT_TRUE(sessions.TakeWelcomes().empty()) << "one welcome a hello";
}

TEST(PeerSessionsTest, ANewHelloWaitsForWhatRunsAndDropsWhatIsQueued) {
  PeerSessions sessions;
  sessions.Begin("a", "r1", ZmqMessage());
  sessions.TakeWelcomes();
  const PeerSessions::Ticket running = sessions.Queue("r1", kMost);
  const PeerSessions::Ticket queued = sessions.Queue("r1", kMost);
  EXPECT_TRUE(sessions.Run(running));
  sessions.Begin("a", "r2", ZmqMessage());
  EXPECT_TRUE(sessions.TakeWelcomes().empty()) << "an earlier request still runs";
  EXPECT_FALSE(sessions.Run(queued)) << "its session is over";
  EXPECT_EQ(sessions.Queue("r1", kMost).peer, nullptr) << "a late request of the old connection";
  sessions.Finish(running);
  EXPECT_EQ(sessions.TakeWelcomes().size(), 1u);
  EXPECT_NE(sessions.Queue("r2", kMost).peer, nullptr);
}

TEST(PeerSessionsTest, OnePeerDoesNotWaitForAnother) {
  PeerSessions sessions;
  sessions.Begin("a", "r1", ZmqMessage());
  sessions.TakeWelcomes();
  EXPECT_TRUE(sessions.Run(sessions.Queue("r1", kMost)));
  sessions.Begin("b", "r2", ZmqMessage());
  EXPECT_EQ(sessions.TakeWelcomes().size(), 1u);
}

TEST(PeerSessionsTest, WhatAPeerMayHaveHereIsBounded) {
  PeerSessions sessions;
  sessions.Begin("a", "r1", ZmqMessage());
  sessions.TakeWelcomes();
  std::vector<PeerSessions::Ticket> tickets;
  for (size_t i = 0; i < kMost; ++i) tickets.push_back(sessions.Queue("r1", kMost));
  EXPECT_EQ(sessions.Queue("r1", kMost).peer, nullptr);
  EXPECT_TRUE(sessions.Run(tickets[0]));
  EXPECT_EQ(sessions.Queue("r1", kMost).peer, nullptr) << "what runs counts too";
  sessions.Finish(tickets[0]);
  EXPECT_NE(sessions.Queue("r1", kMost).peer, nullptr);
}

TEST(PeerSessionsTest, AnEndedSessionIsOverUntilTheNextHello) {
  PeerSessions sessions;
  sessions.Begin("a", "r1", ZmqMessage());
  sessions.TakeWelcomes();
  const PeerSessions::Ticket ticket = sessions.Queue("r1", kMost);
  sessions.End("r1");
  EXPECT_FALSE(sessions.Run(ticket));
  EXPECT_EQ(sessions.Queue("r1", kMost).peer, nullptr);
  EXPECT_TRUE(sessions.TakeWelcomes().empty());
  sessions.Begin("a", "r1", ZmqMessage());
  EXPECT_EQ(sessions.TakeWelcomes().size(), 1u);
}

}  // namespace
}  // namespace baton::ha
