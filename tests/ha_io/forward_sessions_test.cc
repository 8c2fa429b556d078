#include "ha/io/forward_sessions.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <array>
#include <atomic>
#include <functional>
#include <thread>
#include <utility>

#include "tests/base/forwarding_runtime.h"
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
  const ForwardSessions::Ticket early = sessions.Join(one.number, 0, *first.stream);
  ASSERT_NE(early.peer, nullptr);
  EXPECT_TRUE(sessions.Run(early));
  sessions.Finish(early);
  const SessionKey two = Must(sessions.Begin("a"));
  EXPECT_TRUE(first.is_shut_down());
  EXPECT_FALSE(sessions.Run(early)) << "a request that had arrived is dropped";
  EXPECT_EQ(sessions.Join(one.number, 0, *second.stream).peer, nullptr);
  const ForwardSessions::Ticket late = sessions.Join(two.number, 0, *second.stream);
  sessions.Leave(early);
  EXPECT_TRUE(sessions.Run(late));
  EXPECT_FALSE(second.is_shut_down());
}

TEST_F(ForwardSessionsTest, ThereIsNoneBeforeWhatRunsOfAnEarlierOneHasEnded) {
  const SessionKey one = Must(sessions.Begin("a"));
  const ForwardSessions::Ticket early = sessions.Join(one.number, 0, *first.stream);
  ASSERT_TRUE(sessions.Run(early));
  EXPECT_CODE(sessions.Begin("a"), kUnavailable);
  EXPECT_TRUE(first.is_shut_down());
  EXPECT_EQ(sessions.Join(one.number, 0, *second.stream).peer, nullptr);
  EXPECT_OK(sessions.Begin("b")) << "of another peer";
  sessions.Finish(early);
  EXPECT_OK(sessions.Begin("a"));
}

TEST_F(ForwardSessionsTest, IsEndedByItsPeersName) {
  EXPECT_TRUE(sessions.End("a", absl::ZeroDuration())) << "it was never here";
  const SessionKey key = Must(sessions.Begin("a"));
  const ForwardSessions::Ticket ticket = sessions.Join(key.number, 0, *first.stream);
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
  const ForwardSessions::Ticket early = sessions.Join(one.number, 0, *first.stream);
  const SessionKey two = Must(sessions.Begin("a"));
  const ForwardSessions::Ticket late = sessions.Join(two.number, 0, *second.stream);
  sessions.End(early);
  EXPECT_FALSE(second.is_shut_down());
  sessions.End(late);
  EXPECT_TRUE(second.is_shut_down());
}

TEST_F(ForwardSessionsTest, AStreamEndsTheEarlierOneOfItsPlace) {
  const SessionKey key = Must(sessions.Begin("a"));
  Connected third;
  const ForwardSessions::Ticket early = sessions.Join(key.number, 0, *first.stream);
  const ForwardSessions::Ticket other = sessions.Join(key.number, 1, *second.stream);
  const ForwardSessions::Ticket late = sessions.Join(key.number, 0, *third.stream);
  EXPECT_TRUE(first.is_shut_down());
  EXPECT_FALSE(sessions.AwaitTurn(early));
  EXPECT_FALSE(sessions.Run(early)) << "a request that had arrived is dropped";
  sessions.Leave(early);
  EXPECT_TRUE(sessions.AwaitTurn(late));
  EXPECT_TRUE(sessions.Run(late));
  EXPECT_TRUE(sessions.Run(other));
  EXPECT_FALSE(second.is_shut_down());
  sessions.End(early);
  EXPECT_TRUE(third.is_shut_down()) << "whoever has lost its place may still end the session";
}

TEST_F(ForwardSessionsTest, AStreamHasItsTurnWhenNothingOfTheEarlierOneRuns) {
  const SessionKey key = Must(sessions.Begin("a"));
  const ForwardSessions::Ticket early = sessions.Join(key.number, 0, *first.stream);
  ASSERT_TRUE(sessions.Run(early));
  const ForwardSessions::Ticket late = sessions.Join(key.number, 0, *second.stream);
  std::atomic<bool> has_turn = false;
  std::thread waiting([&] { has_turn = sessions.AwaitTurn(late); });
  absl::SleepFor(absl::Milliseconds(50));
  EXPECT_FALSE(has_turn);
  sessions.Finish(early);
  waiting.join();
  EXPECT_TRUE(has_turn);
}

TEST_F(ForwardSessionsTest, NobodyWaitsForATurnWhenTheSessionHasEnded) {
  const SessionKey key = Must(sessions.Begin("a"));
  const ForwardSessions::Ticket early = sessions.Join(key.number, 0, *first.stream);
  ASSERT_TRUE(sessions.Run(early));
  const ForwardSessions::Ticket late = sessions.Join(key.number, 0, *second.stream);
  std::thread waiting([&] { EXPECT_FALSE(sessions.AwaitTurn(late)); });
  EXPECT_FALSE(sessions.End("a", absl::ZeroDuration()));
  waiting.join();
  sessions.Finish(early);
}

TEST_F(ForwardSessionsTest, FewLostStreamsMayHaveRequestsThatRun) {
  const SessionKey key = Must(sessions.Begin("a"));
  std::array<Connected, kLostStreamsPerPeer + 1> lost;
  std::array<Connected, kLostStreamsPerPeer + 1> again;
  ForwardSessions::Ticket early;
  for (size_t place = 0; place < lost.size(); ++place) {
    early = sessions.Join(key.number, place, *lost[place].stream);
    ASSERT_TRUE(sessions.Run(early));
  }
  for (size_t place = 0; place < kLostStreamsPerPeer; ++place) {
    EXPECT_NE(sessions.Join(key.number, place, *again[place].stream).peer, nullptr);
  }
  EXPECT_EQ(sessions.Join(key.number, early.place, *again.back().stream).peer, nullptr);
  EXPECT_NE(sessions.Join(key.number, 0, *first.stream).peer, nullptr) << "none more than before";
  sessions.Finish(early);
  EXPECT_NE(sessions.Join(key.number, early.place, *again.back().stream).peer, nullptr);
}

// Whose waits end when a step has been made.
class SteppingRuntime final : public ForwardingRuntime {
 public:
  void Wait(absl::CondVar& condition, absl::Mutex& mutex) override {
    WaitUntil(condition, mutex, absl::InfiniteDuration());
  }
  void WaitUntil(absl::CondVar& condition, absl::Mutex& mutex, absl::Duration deadline) override {
    if (!step) return ForwardingRuntime::WaitUntil(condition, mutex, deadline);
    mutex.Unlock();
    std::exchange(step, nullptr)();
    mutex.Lock();
  }
  std::function<void()> step;
};

TEST(ForwardSessionsEndTest, WaitsForNoRequestOfALaterSession) {
  SteppingRuntime runtime;
  ForwardSessions sessions{runtime};
  Connected first;
  Connected second;
  const SessionKey one = Must(sessions.Begin("a"));
  const ForwardSessions::Ticket early = sessions.Join(one.number, 0, *first.stream);
  ASSERT_TRUE(sessions.Run(early));
  ForwardSessions::Ticket late;
  runtime.step = [&] {
    sessions.Finish(early);
    const SessionKey two = Must(sessions.Begin("a"));
    late = sessions.Join(two.number, 0, *second.stream);
    EXPECT_TRUE(sessions.Run(late));
  };
  EXPECT_TRUE(sessions.End("a", absl::Milliseconds(100)));
  EXPECT_FALSE(second.is_shut_down());
  sessions.Finish(late);
}

}  // namespace
}  // namespace baton::ha
