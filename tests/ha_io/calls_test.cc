// Calls between two controllers.
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <thread>

#include "tests/base/testing.h"
#include "tests/ha_io/pair.h"

namespace baton::ha {
namespace {

class CallsTest : public testing::TestWithParam<Pair::Mode> {};

INSTANTIATE_TEST_SUITE_P(, CallsTest, testing::Values(Pair::Mode::kKeys, Pair::Mode::kPlaintext),
                         [](const auto& info) {
                           return info.param == Pair::Mode::kKeys ? "Keys" : "Plaintext";
                         });

TEST_P(CallsTest, AreAnsweredAndTheServerKnowsWhoAsks) {
  Pair pair(GetParam());
  ASSERT_TRUE(pair.AwaitConnection());
  EXPECT_EQ(Must(pair.a.network->Call("b", "hello", kPatience)), "a: hello");
  EXPECT_EQ(Must(pair.b.network->Call("a", "", kPatience)), "b: ");
}

TEST_P(CallsTest, OfManyThreadsGetEachTheirOwnAnswer) {
  Pair pair(GetParam());
  ASSERT_TRUE(pair.AwaitConnection());
  std::atomic<int> wrong = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 16; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 100; ++i) {
        const std::string text = fmt::format("{}/{}", t, i);
        const auto answer = pair.network().Call("b", text, kPatience);
        if (!answer.ok() || *answer != "a: " + text) ++wrong;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

TEST_P(CallsTest, CarryAMegabyteEachWay) {
  Pair pair(GetParam(), nullptr,
            [](const std::string&, const std::string& request) { return request; });
  ASSERT_TRUE(pair.AwaitConnection());
  std::string large(limits::kMaxRequestBytes, 'x');
  for (size_t i = 0; i < large.size(); i += 997) large[i] = static_cast<char>(i);
  EXPECT_EQ(Must(pair.network().Call("b", large, kPatience)), large);
  EXPECT_CODE(pair.network().Call("b", large + "x", kPatience), kInvalidArgument);
}

TEST_P(CallsTest, AnAnswerThatIsTooLongIsAnErrorOfThatCallAlone) {
  Pair pair(GetParam(), nullptr, [](const std::string&, const std::string& request) {
    return request == "much" ? std::string(limits::kMaxRequestBytes + 1, 'x') : request;
  });
  ASSERT_TRUE(pair.AwaitConnection());
  EXPECT_CODE(pair.network().Call("b", "much", kPatience), kResourceExhausted);
  EXPECT_EQ(Must(pair.network().Call("b", "little", kPatience)), "little");
}

TEST_P(CallsTest, ASlowOneDoesNotHoldUpTheOthers) {
  const auto go = std::make_shared<absl::Notification>();  // a handler may be in it for longer
  Pair pair(GetParam(), nullptr, [&go](const std::string&, const std::string& request) {
    if (request == "slow") go->WaitForNotification();
    return request;
  });
  ASSERT_TRUE(pair.AwaitConnection());
  std::thread slow(
      [&, go] { EXPECT_EQ(Must(pair.network().Call("b", "slow", kPatience)), "slow"); });
  EXPECT_EQ(Must(pair.network().Call("b", "quick", kPatience)), "quick");
  go->Notify();
  slow.join();
}

TEST_P(CallsTest, EndAtOnceWhenNoneAreWantedAnyMore) {
  const auto go = std::make_shared<absl::Notification>();  // a handler may be in it for longer
  absl::Notification begun;
  Pair pair(GetParam(), nullptr, [&](const std::string&, const std::string& request) {
    begun.Notify();
    go->WaitForNotification();
    return request;
  });
  ASSERT_TRUE(pair.AwaitConnection());
  std::thread slow(
      [&] { EXPECT_CODE(pair.network().Call("b", "slow", absl::Hours(1)), kUnavailable); });
  begun.WaitForNotification();
  pair.network().EndCalls();
  slow.join();
  EXPECT_CODE(pair.network().Call("b", "late", absl::Hours(1)), kUnavailable);
  go->Notify();
}

TEST_P(CallsTest, EndAtTheirDeadlineAndTheLateAnswerIsNobodys) {
  const auto go = std::make_shared<absl::Notification>();  // a handler may be in it for longer
  Pair pair(GetParam(), nullptr, [&go](const std::string&, const std::string& request) {
    if (request == "slow") go->WaitForNotification();
    return request;
  });
  ASSERT_TRUE(pair.AwaitConnection());
  const absl::Time begin = absl::Now();
  EXPECT_CODE(pair.network().Call("b", "slow", absl::Milliseconds(50)), kDeadlineExceeded);
  EXPECT_LT(absl::Now() - begin, absl::Seconds(5));
  go->Notify();
  for (int i = 0; i < 200; ++i) {
    EXPECT_EQ(Must(pair.network().Call("b", fmt::format("{}", i), kPatience)),
              fmt::format("{}", i));
  }
}

TEST_P(CallsTest, ToNobodyFailAtOnce) {
  Pair pair(GetParam());
  ASSERT_TRUE(pair.AwaitConnection());
  EXPECT_CODE(pair.network().Call("c", "hello", kPatience), kNotFound);
  pair.StopB();
  ASSERT_TRUE(Eventually([&] { return !pair.network().connected("b"); }));
  const absl::Time begin = absl::Now();
  EXPECT_CODE(pair.network().Call("b", "hello", kPatience), kUnavailable);
  EXPECT_LT(absl::Now() - begin, absl::Seconds(1));
}

TEST_P(CallsTest, WorkAgainWhenThePeerIsBack) {
  Pair pair(GetParam());
  ASSERT_TRUE(pair.AwaitConnection());
  for (int round = 0; round < 3; ++round) {
    pair.StopB();
    ASSERT_TRUE(Eventually([&] { return !pair.network().connected("b"); }));
    pair.StartB();
    ASSERT_TRUE(Eventually([&] { return pair.network().connected("b"); }));
    EXPECT_EQ(Must(pair.network().Call("b", "again", kPatience)), "a: again");
  }
  EXPECT_GE(pair.network().counters().lost_connections, 3u);
}

}  // namespace
}  // namespace baton::ha
