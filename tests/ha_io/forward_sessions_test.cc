#include "ha/io/forward_sessions.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <array>
#include <thread>

#include "engine/base/system_runtime.h"
#include "tests/base/testing.h"
#include "tests/ha_io/pair.h"

namespace baton::ha {
namespace {

// A stream, and the other end of it.
struct Connected {
  Connected() {
    std::array<int, 2> ends{};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
    stream = std::make_unique<Stream>(UniqueFd(ends[0]));
    other = UniqueFd(ends[1]);
  }
  bool is_shut_down() const {
    char byte = 0;
    return ::recv(other.get(), &byte, 1, MSG_DONTWAIT) == 0;
  }
  std::unique_ptr<Stream> stream;
  UniqueFd other;
};

class ForwardSessionsTest : public testing::Test {
 protected:
  SystemRuntime runtime;
  ForwardSessions sessions{runtime};
  Connected first;
  Connected second;
};

TEST_F(ForwardSessionsTest, EachHasAKeyOfItsOwn) {
  const SessionKey one = Must(sessions.Begin("a"));
  const SessionKey two = Must(sessions.Begin("a"));
  EXPECT_NE(one.number, two.number);
  EXPECT_NE(one.secret, two.secret);
  EXPECT_EQ(sessions.Find(one.number), std::nullopt);
  EXPECT_EQ(sessions.Find(two.number), two.secret);
}

TEST_F(ForwardSessionsTest, ALaterOneEndsTheEarlierOneAndItsStreams) {
  const SessionKey one = Must(sessions.Begin("a"));
  const ForwardSessions::Ticket early = sessions.Join(one.number, *first.stream);
  ASSERT_NE(early.peer, nullptr);
  EXPECT_TRUE(sessions.Run(early));
  sessions.Finish(early);
  const SessionKey two = Must(sessions.Begin("a"));
  EXPECT_TRUE(first.is_shut_down());
  EXPECT_FALSE(sessions.Run(early)) << "a request that had arrived is dropped";
  EXPECT_EQ(sessions.Join(one.number, *second.stream).peer, nullptr);
  const ForwardSessions::Ticket late = sessions.Join(two.number, *second.stream);
  sessions.Leave(early, *first.stream);
  EXPECT_TRUE(sessions.Run(late));
  EXPECT_FALSE(second.is_shut_down());
}

TEST_F(ForwardSessionsTest, ThereIsNoneBeforeWhatRunsOfAnEarlierOneHasEnded) {
  const SessionKey one = Must(sessions.Begin("a"));
  const ForwardSessions::Ticket early = sessions.Join(one.number, *first.stream);
  ASSERT_TRUE(sessions.Run(early));
  EXPECT_CODE(sessions.Begin("a"), kUnavailable);
  EXPECT_TRUE(first.is_shut_down());
  EXPECT_EQ(sessions.Join(one.number, *second.stream).peer, nullptr);
  EXPECT_OK(sessions.Begin("b")) << "of another peer";
  sessions.Finish(early);
  EXPECT_OK(sessions.Begin("a"));
}

TEST_F(ForwardSessionsTest, IsEndedByItsPeersName) {
  EXPECT_TRUE(sessions.End("a", absl::ZeroDuration())) << "it was never here";
  const SessionKey key = Must(sessions.Begin("a"));
  const ForwardSessions::Ticket ticket = sessions.Join(key.number, *first.stream);
  ASSERT_TRUE(sessions.Run(ticket));
  EXPECT_FALSE(sessions.End("a", absl::Milliseconds(10))) << "one request still runs";
  EXPECT_TRUE(first.is_shut_down());
  EXPECT_FALSE(sessions.Run(ticket));
  std::thread worker([&] { sessions.Finish(ticket); });
  EXPECT_TRUE(sessions.End("a", kPatience));
  worker.join();
}

TEST_F(ForwardSessionsTest, AStreamEndsItsOwnSessionAlone) {
  const SessionKey one = Must(sessions.Begin("a"));
  const ForwardSessions::Ticket early = sessions.Join(one.number, *first.stream);
  const SessionKey two = Must(sessions.Begin("a"));
  const ForwardSessions::Ticket late = sessions.Join(two.number, *second.stream);
  sessions.End(early);
  EXPECT_FALSE(second.is_shut_down());
  sessions.End(late);
  EXPECT_TRUE(second.is_shut_down());
}

TEST_F(ForwardSessionsTest, HasSoManyStreamsAndNoMore) {
  const SessionKey key = Must(sessions.Begin("a"));
  std::array<Connected, kStreamsPerPeer> all;
  ForwardSessions::Ticket ticket;
  for (const Connected& each : all) ticket = sessions.Join(key.number, *each.stream);
  ASSERT_NE(ticket.peer, nullptr);
  EXPECT_EQ(sessions.Join(key.number, *first.stream).peer, nullptr);
  sessions.Leave(ticket, *all.back().stream);
  EXPECT_NE(sessions.Join(key.number, *first.stream).peer, nullptr);
}

}  // namespace
}  // namespace baton::ha
