// The router: requests go to whoever serves, and wait while nobody does.
#include "ha/volumes/router.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "engine/base/host_request.h"
#include "engine/base/system_runtime.h"
#include "ha/io/eviction_status.h"
#include "tests/base/testing.h"

namespace baton::ha {
namespace {

// A directory of one volume that counts, and answers with what it is told to.
class OneVolume final : public VolumeServer {
 public:
  class Io final : public VolumeIo {
   public:
    explicit Io(OneVolume& directory) : directory_(directory) { ++directory_.open; }
    ~Io() override { --directory_.open; }
    uint64_t size_bytes() const override { return 4096; }
    absl::Status Read(uint64_t, MutableBytes) override { return directory_.Answer(); }
    absl::Status Write(uint64_t, Bytes) override { return directory_.Answer(); }
    absl::Status Flush() override { return directory_.Answer(); }
    absl::Status Discard(uint64_t, uint64_t) override { return directory_.Answer(); }

   private:
    OneVolume& directory_;
  };

  absl::Status Answer() {
    ++asked;
    HostRequest* const request = HostRequest::Current();
    if (loses && request != nullptr) request->NoteUnanswered(runtime.BootTime());
    return gone ? absl::AbortedError("not the owner") : answer;
  }
  absl::StatusOr<std::vector<VolumeName>> List(uint64_t, size_t) const override {
    if (gone) return absl::AbortedError("not the owner");
    return std::vector<VolumeName>{{.id = 7, .name = name}};
  }
  absl::StatusOr<VolumeEntry> Lookup(const std::string&) const override {
    return absl::NotFoundError("");
  }
  absl::StatusOr<VolumeEntry> Get(uint64_t) const override {
    if (gone) return absl::AbortedError("not the owner");
    if (!answer.ok()) return answer;
    return VolumeEntry{.id = 7, .name = name, .size_bytes = size_bytes};
  }
  absl::StatusOr<std::shared_ptr<VolumeIo>> Open(uint64_t) override {
    ++opens_asked;
    if (gone || eviction != 0) return absl::AbortedError("not the owner, or not of this node");
    return std::make_shared<Io>(*this);
  }
  absl::StatusOr<std::optional<DataRange>> NextData(uint64_t, uint64_t) const override {
    return std::nullopt;
  }
  absl::StatusOr<Capacity> GetCapacity() const override { return Capacity{}; }

  absl::Status CloseInOrder(uint64_t id, uint64_t order) override {
    changes.push_back({order, fmt::format("close {}", id)});
    return gone ? absl::AbortedError("not the owner") : absl::OkStatus();
  }
  absl::Status TellOpen(const std::vector<uint64_t>& ids, uint64_t order) override {
    changes.push_back({order, fmt::format("open: {}", fmt::join(ids, " "))});
    if (eviction != 0) return EvictedError("b", eviction);
    return gone ? absl::AbortedError("not the owner") : absl::OkStatus();
  }
  absl::Status EndEviction(uint64_t ended, uint64_t order) override {
    changes.push_back({order, fmt::format("end of {}", ended)});
    if (ended == eviction) eviction = 0;
    return absl::OkStatus();
  }

  SystemRuntime runtime;
  std::vector<std::pair<uint64_t, std::string>> changes;  // with their numbers
  std::string name = "v";
  uint64_t size_bytes = 4096;
  absl::Status answer;
  std::atomic<bool> gone = false;
  std::atomic<uint64_t> eviction = 0;  // not 0: of the node that asks
  std::atomic<bool> loses = false;     // the connection, with the request on its way
  std::atomic<int> asked = 0;
  std::atomic<int> open = 0;
  std::atomic<int> opens_asked = 0;
};

class RouterTest : public testing::Test {
 protected:
  SystemRuntime runtime_;
  OneVolume first_;
  OneVolume second_;
  Router router_{runtime_};
};

TEST_F(RouterTest, PassesAnAnswerOnAsItIs) {
  router_.Route(&first_);
  const auto volume = Must(router_.Open(7));
  first_.answer = absl::ResourceExhaustedError("full");
  EXPECT_TRUE(absl::IsResourceExhausted(volume->Flush()));
  EXPECT_EQ(first_.asked, 1);
}

TEST_F(RouterTest, NamesAreAnsweredFromTheViewWhileNobodyServes) {
  second_.name = "seen";
  router_.UseView(&second_);
  EXPECT_EQ(Must(router_.List(0, 10)).front().name, "seen");
  EXPECT_OK(router_.GetCapacity().status());
  router_.Route(&first_);
  EXPECT_EQ(Must(router_.List(0, 10)).front().name, "v") << "somebody serves";
}

TEST_F(RouterTest, AQuestionThatWaitsIsAnsweredWhenThereIsAView) {
  first_.gone = true;
  router_.Route(&first_);
  std::thread host([&] { EXPECT_EQ(Must(router_.List(0, 10)).front().name, "seen"); });
  second_.name = "seen";
  router_.UseView(&second_);
  host.join();
}

TEST_F(RouterTest, ContentIsNotAskedOfTheView) {
  Router impatient(runtime_, absl::Milliseconds(50));
  impatient.UseView(&second_);
  EXPECT_TRUE(absl::IsDeadlineExceeded(impatient.Open(7).status()));
  EXPECT_TRUE(absl::IsDeadlineExceeded(impatient.NextData(7, 0).status()));
}

TEST_F(RouterTest, TheSizeIsAskedOfTheOwner) {
  Router impatient(runtime_, absl::Milliseconds(50));
  impatient.Route(&first_);
  const auto volume = Must(impatient.Open(7));
  first_.size_bytes = 8192;
  EXPECT_EQ(volume->size_bytes(), 4096u);
  EXPECT_EQ(Must(volume->SizeNow()), 8192u);
  EXPECT_EQ(volume->size_bytes(), 8192u);
  first_.answer = absl::DataLossError("no metadata");
  EXPECT_TRUE(absl::IsDataLoss(volume->SizeNow().status()));
  impatient.Route(nullptr);
  impatient.UseView(&second_);
  EXPECT_TRUE(absl::IsDeadlineExceeded(volume->SizeNow().status())) << "the view may be behind";
}

TEST_F(RouterTest, AQuestionThatTheViewCannotAnswerWaitsForSomebody) {
  Router impatient(runtime_, absl::Milliseconds(50));
  second_.gone = true;
  impatient.UseView(&second_);
  EXPECT_TRUE(absl::IsDeadlineExceeded(impatient.List(0, 10).status()));
}

TEST_F(RouterTest, ARequestWaitsUntilSomebodyServes) {
  std::atomic<bool> answered = false;
  std::thread host([&] {
    EXPECT_EQ(Must(router_.List(0, 10)).front().name, "v");
    answered = true;
  });
  absl::SleepFor(absl::Milliseconds(30));
  EXPECT_FALSE(answered);
  router_.Route(&first_);
  host.join();
}

TEST_F(RouterTest, AHandleFollowsToTheNextOwner) {
  router_.Route(&first_);
  const auto volume = Must(router_.Open(7));
  router_.Route(nullptr);
  EXPECT_EQ(first_.open, 0) << "it must not count as open with an owner that has ended";
  router_.Route(&second_);
  EXPECT_OK(volume->Flush());
  EXPECT_EQ(first_.asked, 0);
  EXPECT_EQ(second_.asked, 1);
  EXPECT_EQ(second_.open, 1);
}

TEST_F(RouterTest, ARequestThatHadNoAnswerIsAskedOfTheNextOwner) {
  router_.Route(&first_);
  const auto volume = Must(router_.Open(7));
  first_.gone = true;
  std::thread change([&] {
    absl::SleepFor(absl::Milliseconds(50));
    router_.Route(&second_);
  });
  EXPECT_OK(volume->Flush());
  change.join();
  EXPECT_GE(first_.asked, 1);
  EXPECT_EQ(second_.asked, 1);
}

TEST_F(RouterTest, TheSameOwnerIsAskedAgain) {
  router_.Route(&first_);
  const auto volume = Must(router_.Open(7));
  first_.gone = true;
  std::thread back([&] {
    absl::SleepFor(absl::Milliseconds(50));
    first_.gone = false;
  });
  EXPECT_OK(volume->Flush());
  back.join();
}

TEST_F(RouterTest, WhatIsOpenIsOpenedWithTheNextOwner) {
  router_.Route(&first_);
  const auto volume = Must(router_.Open(7));
  router_.Route(&second_);
  EXPECT_TRUE(router_.TellOpen());
  EXPECT_EQ(first_.open, 0);
  EXPECT_EQ(second_.open, 1);
}

TEST_F(RouterTest, AClosedHandleIsNotOpenedAgain) {
  router_.Route(&first_);
  Must(router_.Open(7)).reset();
  router_.Route(&second_);
  EXPECT_TRUE(router_.TellOpen());
  EXPECT_EQ(second_.open, 0);
}

TEST_F(RouterTest, AVolumeIsOpenOnceHoweverManyHaveItOpen) {
  router_.Route(&first_);
  const auto one = Must(router_.Open(7));
  const auto other = Must(router_.Open(7));
  EXPECT_OK(one->Flush());
  EXPECT_OK(other->Flush());
  EXPECT_EQ(first_.open, 1);
}

TEST_F(RouterTest, WhatHasBeenOpenSinceBeforeIsToldToWhoeverServes) {
  auto hold = router_.Hold(7);
  EXPECT_TRUE(router_.TellOpen()) << "nobody serves";
  router_.Route(&first_);
  EXPECT_FALSE(router_.HasTold(first_));
  EXPECT_TRUE(router_.TellOpen());
  EXPECT_TRUE(router_.HasTold(first_));
  EXPECT_EQ(first_.open, 1);
  hold.reset();
  ASSERT_EQ(first_.changes.size(), 2u);
  EXPECT_EQ(first_.changes[0].second, "open: 7");
  EXPECT_EQ(first_.changes[1].second, "close 7");
  EXPECT_GT(first_.changes[1].first, first_.changes[0].first);
}

TEST_F(RouterTest, AnotherServerIsToldAnew) {
  const auto hold = router_.Hold(7);
  router_.Route(&first_);
  router_.TellOpen();
  router_.Route(&second_);
  EXPECT_FALSE(router_.HasTold(second_));
  EXPECT_FALSE(router_.HasTold(first_));
  router_.TellOpen();
  EXPECT_TRUE(router_.HasTold(second_));
}

TEST_F(RouterTest, ACloseThatGotLostIsMadeGoodByTheWholeSet) {
  router_.Route(&first_);
  auto volume = Must(router_.Open(7));
  router_.TellOpen();
  first_.gone = true;
  volume.reset();
  first_.gone = false;
  EXPECT_FALSE(router_.HasTold(first_));
  EXPECT_TRUE(router_.TellOpen());
  EXPECT_EQ(first_.changes.back().second, "open: ");
}

TEST_F(RouterTest, AServerThatWasOutOfReachIsToldAgain) {
  const auto hold = router_.Hold(7);
  router_.Route(&first_);
  router_.TellOpen();
  router_.TellAgain(first_);
  EXPECT_FALSE(router_.HasTold(first_));
  router_.TellOpen();
  EXPECT_EQ(first_.changes.size(), 2u);
}

TEST_F(RouterTest, ASuccessorGoesOnWithWhatIsOpenAtTheShutdown) {
  router_.Route(&first_);
  auto volume = Must(router_.Open(7));
  router_.Shutdown();
  volume.reset();
  EXPECT_TRUE(first_.changes.empty());
  router_.Leave();
  EXPECT_EQ(first_.changes.back().second, "open: ");
}

TEST_F(RouterTest, WhereNothingIsOpenAnEvictionIsEndedByTheNextChange) {
  first_.eviction = 5;
  router_.Route(&first_);
  EXPECT_FALSE(router_.TellOpen());
  ASSERT_EQ(first_.changes.size(), 2u);
  EXPECT_EQ(first_.changes[1].second, "end of 5");
  EXPECT_GT(first_.changes[1].first, first_.changes[0].first);
  EXPECT_OK(router_.evicted());
  EXPECT_TRUE(router_.TellOpen());
  EXPECT_OK(router_.Open(7).status());
}

TEST_F(RouterTest, WhatIsBeingOpenedWaitsForTheEndOfAnEvictionAndIsNoFileYet) {
  first_.eviction = 5;
  router_.Route(&first_);
  std::shared_ptr<VolumeIo> volume;
  std::thread host([&] { volume = Must(router_.Open(7)); });
  while (first_.opens_asked == 0) std::this_thread::yield();
  EXPECT_FALSE(router_.HasFiles());
  EXPECT_FALSE(router_.TellOpen());
  host.join();
  ASSERT_EQ(first_.changes.size(), 2u);
  EXPECT_EQ(first_.changes[0].second, "open: 7");
  EXPECT_EQ(first_.changes[1].second, "end of 5");
  EXPECT_OK(router_.evicted());
  EXPECT_TRUE(router_.HasFiles());
}

TEST_F(RouterTest, AnEvictionEndsWhatWaitsInAMountWithOpenFiles) {
  router_.Route(&first_);
  const auto volume = Must(router_.Open(7));
  EXPECT_TRUE(router_.HasFiles());
  router_.Route(nullptr);
  absl::Status flushed;
  std::thread host([&] { flushed = volume->Flush(); });
  second_.eviction = 5;
  second_.gone = true;
  router_.Route(&second_);
  EXPECT_FALSE(router_.TellOpen());
  host.join();
  EXPECT_EQ(EvictionOf(flushed), 5u);
  EXPECT_EQ(EvictionOf(router_.evicted()), 5u);
  EXPECT_EQ(EvictionOf(router_.Open(8).status()), 5u) << "and for good";
  EXPECT_EQ(second_.eviction, 5u) << "it does not end the eviction";
}

TEST_F(RouterTest, WhatIsOpenSinceBeforeThisProcessIsAFile) {
  const auto held = router_.Hold(7);
  EXPECT_TRUE(router_.HasFiles());
  first_.eviction = 5;
  router_.Route(&first_);
  router_.TellOpen();
  EXPECT_EQ(EvictionOf(router_.evicted()), 5u);
}

TEST_F(RouterTest, WhatWaitsEndsWithAbortedAtTheShutdown) {
  std::thread host([&] { EXPECT_TRUE(absl::IsAborted(router_.List(0, 10).status())); });
  absl::SleepFor(absl::Milliseconds(20));
  router_.Shutdown();
  host.join();
  EXPECT_TRUE(absl::IsAborted(router_.Open(7).status()));
}

TEST_F(RouterTest, ARequestWaitsNoLongerThanItMay) {
  Router impatient(runtime_, absl::Milliseconds(50));
  EXPECT_TRUE(absl::IsDeadlineExceeded(impatient.List(0, 10).status()));
}

class CalledOffTest : public RouterTest {
 protected:
  class Request final : public HostRequest {
   public:
    bool killed() const override { return killed_; }
    void NoteWait() override { waits_ = true; }

    std::atomic<bool> killed_ = false;
    std::atomic<bool> waits_ = false;
  };

  // The thread of a host: calls `body` for `request_`.
  template <typename Body>
  std::thread StartHost(Body body) {
    return std::thread([this, body] {
      const HostRequest::Scope scope(request_);
      body();
    });
  }

  void CallOff(Router& router) {
    while (!request_.waits_) absl::SleepFor(absl::Milliseconds(1));
    request_.killed_ = true;
    router.WakeWaiting();
  }

  Request request_;
};

TEST_F(CalledOffTest, ARequestThatWaitsForSomebodyEndsAtOnce) {
  std::thread host = StartHost([&] {
    EXPECT_TRUE(absl::IsCancelled(router_.Open(7).status()));
    EXPECT_TRUE(absl::IsCancelled(router_.List(0, 10).status()));
  });
  CallOff(router_);
  host.join();
}

TEST_F(CalledOffTest, OthersWaitOn) {
  std::atomic<bool> answered = false;
  std::thread other([&] {
    EXPECT_OK(router_.Open(7).status());
    answered = true;
  });
  std::thread host = StartHost([&] { EXPECT_TRUE(absl::IsCancelled(router_.Open(7).status())); });
  CallOff(router_);
  host.join();
  EXPECT_FALSE(answered);
  router_.Route(&first_);
  other.join();
}

TEST_F(CalledOffTest, AServerWithoutAnAnswerIsNotAskedAgain) {
  router_.Route(&first_);
  const auto volume = Must(router_.Open(7));
  first_.gone = true;
  std::thread host = StartHost([&] { EXPECT_TRUE(absl::IsCancelled(volume->Write(0, {}))); });
  CallOff(router_);
  host.join();
  const int asked = first_.asked;
  absl::SleepFor(absl::Milliseconds(50));
  EXPECT_EQ(first_.asked, asked);
}

TEST_F(CalledOffTest, WhatMayStillTakeEffectIsWaitedFor) {
  constexpr absl::Duration kDoubt = absl::Milliseconds(300);
  Router router(runtime_, absl::InfiniteDuration(), kDoubt);
  router.Route(&first_);
  const auto volume = Must(router.Open(7));
  first_.gone = first_.loses = true;
  absl::Duration ended;
  std::thread host = StartHost([&] {
    EXPECT_TRUE(absl::IsCancelled(volume->Write(0, {})));
    ended = runtime_.BootTime();
  });
  CallOff(router);
  absl::SleepFor(absl::Milliseconds(100));
  EXPECT_GT(first_.asked, 1) << "an answer would end the doubt";
  first_.loses = false;  // it is asked, and gets no request any more
  const absl::Duration last = runtime_.BootTime();
  host.join();
  EXPECT_GE(ended, last + kDoubt - absl::Milliseconds(40));
  EXPECT_LT(ended, last + 3 * kDoubt);
}

TEST_F(CalledOffTest, AnAnswerEndsTheDoubt) {
  Router router(runtime_, absl::InfiniteDuration(), absl::InfiniteDuration());
  router.Route(&first_);
  const auto volume = Must(router.Open(7));
  first_.gone = first_.loses = true;
  std::thread host = StartHost([&] { EXPECT_OK(volume->Write(0, {})); });
  CallOff(router);
  router.Route(&second_);
  host.join();
  EXPECT_EQ(second_.asked, 1);
}

TEST_F(CalledOffTest, TheShutdownLeavesItToTheNextProcess) {
  Router router(runtime_, absl::InfiniteDuration(), absl::InfiniteDuration());
  router.Route(&first_);
  const auto volume = Must(router.Open(7));
  first_.gone = first_.loses = true;
  std::thread host = StartHost([&] { EXPECT_TRUE(absl::IsAborted(volume->Write(0, {}))); });
  CallOff(router);
  router.Shutdown();
  host.join();
}

// Requests from several threads while the owner changes all the time.
TEST_F(RouterTest, NoRequestIsLostOverManyChanges) {
  router_.Route(&first_);
  const auto volume = Must(router_.Open(7));
  constexpr int kThreads = 4;
  constexpr int kRequests = 500;
  std::atomic<int> answered = 0;
  std::vector<std::thread> hosts;
  for (int i = 0; i < kThreads; ++i) {
    hosts.emplace_back([&] {
      for (int n = 0; n < kRequests; ++n) answered += volume->Flush().ok() ? 1 : 0;
    });
  }
  while (answered < kThreads * kRequests) {
    for (OneVolume* next : {&second_, &first_}) {
      (next == &first_ ? second_ : first_).gone = true;
      router_.Route(nullptr);
      next->gone = false;
      router_.Route(next);
      absl::SleepFor(absl::Milliseconds(1));
    }
  }
  for (std::thread& host : hosts) host.join();
  EXPECT_EQ(answered, kThreads * kRequests);
}

}  // namespace
}  // namespace baton::ha
