// A node that a drill has cut off from its peers.
#include <gtest/gtest.h>

#include "tests/base/testing.h"
#include "tests/ha_io/pair.h"
#include "tests/ha_io/volume_part.h"

namespace baton::ha {
namespace {

constexpr absl::Duration kLong = absl::Seconds(30);
constexpr absl::Duration kShort = absl::Milliseconds(300);

class IsolationTest : public testing::TestWithParam<Pair::Mode> {
 protected:
  void SetUp() override { ASSERT_TRUE(pair.AwaitForwarding()); }
  absl::Status Write() {
    return pair.network().forward("b")->Write(kScope, 0, BytesOf(std::string("x")));
  }
  bool Hears(Player& one, Player& other) {
    const size_t before = one.heard();
    return Eventually(
        [&] {
          other.network->Publish({});
          return one.heard() > before;
        },
        absl::Seconds(1));
  }

  MemoryTarget target{limits::kMiB};
  Pair pair{GetParam(), &target};
};

INSTANTIATE_TEST_SUITE_P(, IsolationTest,
                         testing::Values(Pair::Mode::kKeys, Pair::Mode::kPlaintext),
                         [](const auto& info) {
                           return info.param == Pair::Mode::kKeys ? "Keys" : "Plaintext";
                         });

TEST_P(IsolationTest, NothingIsSaidOrHeardEitherWay) {
  ASSERT_TRUE(Hears(pair.a, pair.b) && Hears(pair.b, pair.a));
  pair.b.network->Isolate(kLong);
  EXPECT_FALSE(Hears(pair.a, pair.b));
  EXPECT_FALSE(Hears(pair.b, pair.a));
  EXPECT_CODE(pair.a.network->Call("b", "to it", kPatience), kUnavailable);
  EXPECT_CODE(pair.b.network->Call("a", "from it", kPatience), kUnavailable);
  EXPECT_FALSE(pair.b.network->connected("a"));
}

TEST_P(IsolationTest, NothingThatIsForwardedToItIsBegun) {
  ASSERT_OK(Write());
  pair.b.network->Isolate(kLong);
  const uint64_t before = target.requests();
  EXPECT_FALSE(Eventually([&] { return Write().ok(); }, absl::Seconds(1)));
  EXPECT_EQ(target.requests(), before);
}

TEST_P(IsolationTest, IsOverByItself) {
  pair.b.network->Isolate(kShort);
  EXPECT_TRUE(Eventually([&] { return Write().ok(); }));
  EXPECT_EQ(Must(pair.a.network->Call("b", "to it", kPatience)), "a: to it");
  EXPECT_EQ(Must(pair.b.network->Call("a", "from it", kPatience)), "b: from it");
  EXPECT_TRUE(Hears(pair.a, pair.b) && Hears(pair.b, pair.a));
}

TEST_P(IsolationTest, WhatIsForwardedMeanwhileIsWaitedForAndNotAnswered) {
  const auto go = std::make_shared<absl::Notification>();  // a handler may be in it for longer
  std::atomic<bool> is_in = false;
  target.set_hook([&is_in, go] {
    is_in = true;
    go->WaitForNotification();
  });
  absl::Status written;
  std::thread writer([&] { written = Write(); });
  ASSERT_TRUE(Eventually([&] { return is_in.load(); }));
  pair.b.network->Isolate(kLong);
  writer.join();
  EXPECT_CODE(written, kUnavailable);
  go->Notify();
}

}  // namespace
}  // namespace baton::ha
