#include "engine/volume/range_lock.h"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <thread>

#include "engine/base/host_request.h"
#include "tests/volume/support.h"

namespace baton {
namespace {

using Mode = RangeLock::Mode;

class RangeLockTest : public testing::Test {
 protected:
  // A thread that takes the range, notes its turn, and lets go.
  std::jthread Taker(ByteRange range, Mode mode, int& turn) {
    return std::jthread([this, range, mode, &turn] {
      RangeLock::Hold hold(lock_, range, mode);
      turn = turns_.fetch_add(1) + 1;
    });
  }

  CountingRuntime runtime_;
  RangeLock lock_{runtime_};
  std::atomic<int> turns_ = 0;
};

TEST_F(RangeLockTest, SharedHoldersOverlap) {
  RangeLock::Hold first(lock_, {0, 100}, Mode::kShared);
  RangeLock::Hold second(lock_, {50, 150}, Mode::kShared);
  EXPECT_EQ(runtime_.waits(), 0);
}

class WaitingRequest final : public HostRequest {
 public:
  explicit WaitingRequest(absl::Duration now) { BeginTime(now, absl::ZeroDuration()); }
  bool killed() const override { return false; }
  void NoteWait() override {}
};

TEST_F(RangeLockTest, TheWaitIsNotedForTheRequestThatWaits) {
  WaitingRequest request(runtime_.BootTime());
  std::jthread taker;
  {
    RangeLock::Hold hold(lock_, {0, 100}, Mode::kShared);
    taker = std::jthread([this, &request] {
      const HostRequest::Scope scope(request);
      const RangeLock::Hold other(lock_, {0, 100}, Mode::kExclusive);
    });
    runtime_.AwaitWaits(1);
    EXPECT_EQ(request.time_spent().now(), Spent::kLock);
  }
  taker.join();
  EXPECT_EQ(request.time_spent().now(), Spent::kOther);
  EXPECT_GT(request.time_spent().Until(runtime_.BootTime())[static_cast<size_t>(Spent::kLock)],
            absl::ZeroDuration());
}

TEST_F(RangeLockTest, RangesThatOnlyTouchDoNotConflict) {
  RangeLock::Hold first(lock_, {0, 100}, Mode::kExclusive);
  RangeLock::Hold second(lock_, {100, 200}, Mode::kExclusive);
  RangeLock::Hold third(lock_, {200, 201}, Mode::kShared);
  EXPECT_EQ(runtime_.waits(), 0);
}

TEST_F(RangeLockTest, ExclusiveWaitsForShared) {
  int turn = 0;
  std::jthread taker;
  {
    RangeLock::Hold hold(lock_, {0, 100}, Mode::kShared);
    taker = Taker({99, 200}, Mode::kExclusive, turn);
    runtime_.AwaitWaits(1);
    EXPECT_EQ(turns_.load(), 0);
  }
  taker.join();
  EXPECT_EQ(turn, 1);
}

TEST_F(RangeLockTest, LaterSharedRequestsQueueBehindAWaitingExclusiveOne) {
  int exclusive_turn = 0;
  int shared_turn = 0;
  std::jthread exclusive;
  std::jthread shared;
  {
    RangeLock::Hold hold(lock_, {0, 100}, Mode::kShared);
    exclusive = Taker({0, 100}, Mode::kExclusive, exclusive_turn);
    runtime_.AwaitWaits(1);
    shared = Taker({50, 60}, Mode::kShared, shared_turn);
    runtime_.AwaitWaits(2);
    EXPECT_EQ(turns_.load(), 0);
  }
  exclusive.join();
  shared.join();
  EXPECT_EQ(exclusive_turn, 1);
  EXPECT_EQ(shared_turn, 2);
}

TEST_F(RangeLockTest, AWaiterHoldsUpOnlyThoseWhoConflictWithIt) {
  int turn = 0;
  std::jthread taker;
  {
    RangeLock::Hold hold(lock_, {0, 100}, Mode::kShared);
    taker = Taker({0, 100}, Mode::kExclusive, turn);
    runtime_.AwaitWaits(1);
    RangeLock::Hold beside(lock_, {100, 200}, Mode::kExclusive);
    EXPECT_EQ(runtime_.waits(), 1);
  }
  taker.join();
  EXPECT_EQ(turn, 1);
}

// Each cell knows who is in it; whoever enters checks that he may.
class Cells {
 public:
  void Enter(ByteRange range, Mode mode) {
    for (uint64_t i = range.begin; i < range.end; ++i) {
      const int before = cells_[i].fetch_add(mode == Mode::kExclusive ? kExclusive : 1);
      const bool fine = mode == Mode::kExclusive ? before == 0 : before < kExclusive;
      if (!fine) violations_.fetch_add(1);
    }
  }
  void Leave(ByteRange range, Mode mode) {
    for (uint64_t i = range.begin; i < range.end; ++i) {
      cells_[i].fetch_sub(mode == Mode::kExclusive ? kExclusive : 1);
    }
  }
  int violations() const { return violations_.load(); }

  static constexpr uint64_t kCount = 64;

 private:
  static constexpr int kExclusive = 1000;
  std::array<std::atomic<int>, kCount> cells_ = {};
  std::atomic<int> violations_ = 0;
};

TEST_F(RangeLockTest, ManyThreadsExcludeEachOther) {
  constexpr int kThreads = 8;
  constexpr int kRounds = 5000;
  Cells cells;
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([&, t] {
        Random random(t);
        for (int i = 0; i < kRounds; ++i) {
          const uint64_t begin = Below(random, Cells::kCount - 1);
          const ByteRange range = {begin, begin + 1 + Below(random, Cells::kCount - begin)};
          const Mode mode = Below(random, 3) == 0 ? Mode::kExclusive : Mode::kShared;
          RangeLock::Hold hold(lock_, range, mode);
          cells.Enter(range, mode);
          if (Below(random, 8) == 0) std::this_thread::yield();
          cells.Leave(range, mode);
        }
      });
    }
  }
  EXPECT_EQ(cells.violations(), 0);
  // The queue is empty again: the whole range is free.
  const int waits = runtime_.waits();
  RangeLock::Hold all(lock_, {0, Cells::kCount}, Mode::kExclusive);
  EXPECT_EQ(runtime_.waits(), waits);
}

}  // namespace
}  // namespace baton
