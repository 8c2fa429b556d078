// Host I/O that one controller forwards to the other.
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <thread>

#include "ha/io/not_sent.h"
#include "ha/io/peer_settings.h"
#include "tests/base/testing.h"
#include "tests/ha_io/pair.h"
#include "tests/ha_io/volume_part.h"

namespace baton::ha {
namespace {

using ::testing::HasSubstr;

constexpr uint64_t kVolumeBytes = 4 * limits::kMiB;

class ForwardTest : public testing::TestWithParam<Pair::Mode> {
 protected:
  void SetUp() override { ASSERT_TRUE(pair.AwaitForwarding()); }
  ForwardClient& client() { return *pair.network().forward("b"); }
  absl::Status Write(uint64_t offset, const std::string& text) {
    return client().Write(kScope, offset, BytesOf(text));
  }
  std::string Read(uint64_t offset, size_t size) {
    std::string text(size, '\0');
    EXPECT_OK(client().Read(kScope, offset, std::as_writable_bytes(std::span(text))));
    return text;
  }

  MemoryTarget target{kVolumeBytes};
  Pair pair{GetParam(), &target};
};

INSTANTIATE_TEST_SUITE_P(, ForwardTest, testing::Values(Pair::Mode::kKeys, Pair::Mode::kPlaintext),
                         [](const auto& info) {
                           return info.param == Pair::Mode::kKeys ? "Keys" : "Plaintext";
                         });

TEST_P(ForwardTest, WhatIsWrittenThereIsReadThere) {
  EXPECT_OK(Write(4095, "across the edge"));
  EXPECT_EQ(Read(4094, 17), std::string("\0across the edge\0", 17));
  EXPECT_OK(client().Discard(kScope, 4095, 6));
  EXPECT_EQ(Read(4095, 15), std::string(6, '\0') + " the edge");
  EXPECT_OK(client().Flush(kScope));
  EXPECT_EQ(target.flushes(), 1);
}

TEST_P(ForwardTest, TheLargestRequestArrivesInAlignedBuffers) {
  const std::vector<std::byte> data = Pattern(limits::kMaxRequestBytes, 3);
  EXPECT_OK(client().Write(kScope, 0, data));
  std::vector<std::byte> back(data.size());
  EXPECT_OK(client().Read(kScope, 0, back));
  EXPECT_EQ(back, data);
  EXPECT_FALSE(target.saw_unaligned());
  EXPECT_CODE(client().Write(kScope, 0, std::vector<std::byte>(data.size() + 1)), kInvalidArgument);
}

TEST_P(ForwardTest, ARequestOfAnotherEpochIsAbortedAndChangesNothing) {
  EXPECT_OK(Write(0, "old"));
  target.set_epoch(2);
  EXPECT_CODE(Write(0, "new"), kAborted);
  EXPECT_EQ(target.content()[0], std::byte{'o'});
}

TEST_P(ForwardTest, TheOwnersErrorsArriveAsTheyAre) {
  const absl::Status status = Write(kVolumeBytes, "x");
  EXPECT_CODE(status, kOutOfRange);
  EXPECT_THAT(std::string(status.message()), HasSubstr("beyond the end"));
}

TEST_P(ForwardTest, RequestsAreAnsweredInAnyOrder) {
  const auto go = std::make_shared<absl::Notification>();  // a handler may be in it for longer
  std::atomic<bool> first = true;
  target.set_hook([&, go] {
    if (first.exchange(false)) go->WaitForNotification();
  });
  std::thread slow([&] { EXPECT_OK(Write(0, "slow")); });
  ASSERT_TRUE(Eventually([&] { return !first; }));
  EXPECT_OK(Write(10, "quick"));
  go->Notify();
  slow.join();
  EXPECT_EQ(Read(0, 4), "slow");
}

TEST_P(ForwardTest, MoreCallersThanMayBeUnderWayAllGetTheirTurn) {
  std::vector<std::thread> threads;
  for (size_t t = 0; t < 5 * kStreamsPerPeer; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 5; ++i) EXPECT_OK(Write(t * 8, "12345678"));
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(target.requests(), 5 * kStreamsPerPeer * 5);
}

TEST_P(ForwardTest, GivingUpEndsWhatIsInFlight) {
  const auto go = std::make_shared<absl::Notification>();  // a handler may be in it for longer
  target.set_hook([go] { go->WaitForNotification(); });
  std::atomic<int> ended = 0;
  std::vector<std::thread> threads;
  // More than may be under way: those that wait for a place end too.
  for (size_t t = 0; t < kStreamsPerPeer + 8; ++t) {
    threads.emplace_back([&] {
      EXPECT_CODE(Write(0, "x"), kUnavailable);
      ++ended;
    });
  }
  ASSERT_TRUE(Eventually([&] { return target.requests() == kStreamsPerPeer; }));
  client().Abort();
  EXPECT_TRUE(Eventually([&] { return ended == static_cast<int>(threads.size()); }));
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(target.requests(), kStreamsPerPeer);
  go->Notify();
  ASSERT_TRUE(pair.AwaitForwarding());
  EXPECT_OK(Write(0, "y"));
  // None of those that were given up takes effect any more.
  const uint64_t requests = target.requests();
  absl::SleepFor(absl::Milliseconds(200));
  EXPECT_EQ(target.requests(), requests);
}

TEST_P(ForwardTest, ARequestThatIsSentAgainIsNotOvertakenByItsFirstCopy) {
  const auto go = std::make_shared<absl::Notification>();  // a handler may be in it for longer
  std::atomic<bool> first = true;
  target.set_hook([&, go] {
    if (first.exchange(false)) go->WaitForNotification();
  });
  std::thread lost([&] { EXPECT_CODE(Write(0, "one"), kUnavailable); });
  ASSERT_TRUE(Eventually([&] { return !first; }));
  client().Abort();
  lost.join();
  // The first copy still runs: there is no connection over which a second one could be answered.
  absl::SleepFor(absl::Milliseconds(300));
  EXPECT_FALSE(client().connected());
  EXPECT_CODE(Write(0, "two"), kUnavailable);
  go->Notify();
  ASSERT_TRUE(pair.AwaitForwarding());
  EXPECT_OK(Write(0, "two"));
  EXPECT_EQ(Read(0, 3), "two");
}

TEST_P(ForwardTest, TheOwnerEndsWhatAPeerHasForwarded) {
  const auto go = std::make_shared<absl::Notification>();  // a handler may be in it for longer
  target.set_hook([go] { go->WaitForNotification(); });
  std::atomic<int> ended = 0;
  std::vector<std::thread> threads;
  for (size_t t = 0; t < 2 * kStreamsPerPeer; ++t) {
    threads.emplace_back([&] {
      EXPECT_CODE(Write(0, "old"), kUnavailable);
      ++ended;
    });
  }
  ASSERT_TRUE(Eventually([&] { return target.requests() == kStreamsPerPeer; }));
  EXPECT_FALSE(pair.b.network->EndForwarded("a", absl::Milliseconds(50))) << "some still run";
  EXPECT_TRUE(Eventually([&] { return ended == static_cast<int>(threads.size()); }));
  for (std::thread& thread : threads) thread.join();
  go->Notify();
  EXPECT_TRUE(pair.b.network->EndForwarded("a", kPatience));
  const uint64_t requests = target.requests();
  EXPECT_EQ(requests, kStreamsPerPeer) << "what waited was dropped";
  ASSERT_TRUE(pair.AwaitForwarding());
  EXPECT_OK(Write(0, "new"));
  EXPECT_EQ(target.requests(), requests + 1);
  EXPECT_TRUE(pair.b.network->EndForwarded("nobody", absl::ZeroDuration()));
}

TEST_P(ForwardTest, ThePeersDeathEndsWhatIsInFlight) {
  const auto go = std::make_shared<absl::Notification>();  // a handler may be in it for longer
  target.set_hook([go] { go->WaitForNotification(); });
  absl::Status in_flight;
  std::thread caller([&] { in_flight = Write(0, "x"); });
  ASSERT_TRUE(Eventually([&] { return target.requests() == 1; }));
  std::thread death([&] { pair.StopB(); });
  client().Abort();
  caller.join();
  go->Notify();
  death.join();
  EXPECT_CODE(in_flight, kUnavailable);
  EXPECT_FALSE(WasNeverSent(in_flight));
  const absl::Status later = Write(0, "x");
  EXPECT_CODE(later, kUnavailable);
  EXPECT_TRUE(WasNeverSent(later));
}

TEST_P(ForwardTest, IsByteExactWhileConnectionsBreak) {
  constexpr size_t kThreads = 16;
  constexpr uint64_t kPartBytes = kVolumeBytes / kThreads - 3;  // edges that nothing is aligned to
  std::vector<VolumePart> parts;
  for (size_t t = 0; t < kThreads; ++t) {
    parts.emplace_back(client(), t * kPartBytes, kPartBytes, static_cast<uint32_t>(t + 1));
  }
  std::vector<std::thread> threads;
  const absl::Time end = absl::Now() + absl::Seconds(3);
  for (VolumePart& part : parts) {
    threads.emplace_back([&] {
      while (absl::Now() < end) part.Step();
    });
  }
  for (int round = 1; absl::Now() < end; ++round) {
    EXPECT_TRUE(pair.AwaitForwarding());
    absl::SleepFor(absl::Milliseconds(20));
    if (round % 8 == 0) {
      pair.StopB();
      pair.StartB();
    } else {
      client().Abort();
    }
  }
  int repeated = 0;
  for (size_t t = 0; t < kThreads; ++t) {
    threads[t].join();
    repeated += parts[t].repeated();
  }
  EXPECT_GT(repeated, 0);
  ASSERT_TRUE(pair.AwaitForwarding());
  for (VolumePart& part : parts) part.Compare(0, part.model().size());
}

// A peer that takes no forwarded I/O, as one of an older version.
TEST(ForwardTroubleTest, APeerWithoutADataPortIsNamed) {
  MemoryTarget target(limits::kMiB);
  Pair pair(Pair::Mode::kPlaintext, &target);
  ASSERT_TRUE(pair.AwaitForwarding());
  EXPECT_EQ(pair.a.network->Trouble("b"), "");
  EXPECT_TRUE(Eventually([&] {
    return pair.b.network->Trouble("a").starts_with("it has another version of Baton");
  })) << "a has no target";
  EXPECT_EQ(pair.a.network->Trouble("nobody"), "");
  pair.a.network = nullptr;
  EXPECT_TRUE(Eventually([&] { return pair.b.network->Trouble("a").empty(); }));
}

}  // namespace
}  // namespace baton::ha
