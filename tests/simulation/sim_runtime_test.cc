#include "tests/sim/sim_runtime.h"

#include <set>

#include "engine/base/buffer_pool.h"
#include "tests/base/testing.h"

namespace baton::sim {
namespace {

// The order in which three threads that yield twice each take their turns.
std::string Interleaving(uint64_t seed) {
  SimRuntime runtime(seed);
  std::string order;
  runtime.Run([&] {
    std::vector<std::unique_ptr<Thread>> threads;
    for (const char letter : {'a', 'b', 'c'}) {
      threads.push_back(runtime.StartThread(std::string(1, letter), [&runtime, &order, letter] {
        for (int i = 0; i < 3; ++i) {
          order += letter;
          runtime.Yield();
        }
      }));
    }
  });
  return order;
}

TEST(SimRuntimeTest, ASeedDecidesTheOrder) {
  std::set<std::string> orders;
  for (uint64_t seed = 0; seed < 200; ++seed) {
    const std::string order = Interleaving(seed);
    EXPECT_EQ(order.size(), 9U);
    EXPECT_EQ(Interleaving(seed), order) << seed;
    orders.insert(order);
  }
  EXPECT_GT(orders.size(), 50U);
}

TEST(SimRuntimeTest, AThreadIsJoinedByItsHandle) {
  SimRuntime runtime(1);
  bool done = false;
  runtime.Run([&] {
    auto thread = runtime.StartThread("worker", [&] {
      for (int i = 0; i < 10; ++i) runtime.Yield();
      done = true;
    });
    thread.reset();
    EXPECT_TRUE(done);
  });
}

TEST(SimRuntimeTest, AThreadMayStartAndJoinThreads) {
  SimRuntime runtime(2);
  int inner = 0;
  runtime.Run([&] {
    runtime.StartThread("outer", [&] {
      for (int i = 0; i < 5; ++i) runtime.StartThread("inner", [&] { ++inner; });
    });
  });
  EXPECT_EQ(inner, 5);
}

TEST(SimRuntimeTest, ProducersAndConsumersMeet) {
  for (uint64_t seed = 0; seed < 100; ++seed) {
    SimRuntime runtime(seed);
    absl::Mutex mutex;
    absl::CondVar changed;
    int items = 0;
    int eaten = 0;
    runtime.Run([&] {
      const auto consumer = runtime.StartThread("consumer", [&] {
        absl::MutexLock lock(&mutex);
        while (eaten < 20) {
          while (items == 0) runtime.Wait(changed, mutex);
          --items;
          ++eaten;
          changed.SignalAll();
        }
      });
      absl::MutexLock lock(&mutex);
      for (int i = 0; i < 20; ++i) {
        while (items == 2) runtime.Wait(changed, mutex);
        ++items;
        changed.SignalAll();
      }
    });
    EXPECT_EQ(eaten, 20);
  }
}

TEST(SimRuntimeTest, TimeJumpsWhenAllWait) {
  SimRuntime runtime(3);
  absl::Mutex mutex;
  absl::CondVar never;
  std::vector<std::string> order;
  const absl::Duration start = runtime.BootTime();
  runtime.Run([&] {
    const auto sleeper = [&](const std::string& name, absl::Duration length) {
      return runtime.StartThread(name, [&, name, length] {
        absl::MutexLock lock(&mutex);
        const absl::Duration deadline = runtime.BootTime() + length;
        while (runtime.BootTime() < deadline) runtime.WaitUntil(never, mutex, deadline);
        order.push_back(name);
      });
    };
    const auto day = sleeper("day", absl::Hours(24));
    const auto second = sleeper("second", absl::Seconds(1));
    const auto hour = sleeper("hour", absl::Hours(1));
  });
  EXPECT_THAT(order, testing::ElementsAre("second", "hour", "day"));
  EXPECT_GE(runtime.BootTime() - start, absl::Hours(24));
  EXPECT_LT(runtime.BootTime() - start, absl::Hours(25));
}

TEST(SimRuntimeTest, SleepingTakesVirtualTime) {
  SimRuntime runtime(4);
  const absl::Duration start = runtime.BootTime();
  runtime.SleepFor(absl::Hours(1));
  EXPECT_GE(runtime.BootTime() - start, absl::Hours(1));
  EXPECT_GT(runtime.WallTime(), absl::UnixEpoch());
}

TEST(SimRuntimeTest, TheEnginesOwnWaitsWork) {
  for (uint64_t seed = 0; seed < 50; ++seed) {
    SimRuntime runtime(seed);
    BufferPool pool(runtime, 2, 4096);
    int lent = 0;
    int most = 0;
    runtime.Run([&] {
      std::vector<std::unique_ptr<Thread>> threads;
      for (int t = 0; t < 5; ++t) {
        threads.push_back(runtime.StartThread("borrower", [&] {
          const auto lease = pool.Acquire();
          most = std::max(most, ++lent);
          runtime.Yield();
          --lent;
        }));
      }
    });
    EXPECT_EQ(lent, 0);
    EXPECT_LE(most, 2);
  }
}

TEST(SimRuntimeDeathTest, ADeadlockAbortsWithSeedAndNames) {
  const auto deadlock = [] {
    SimRuntime runtime(4711);
    absl::Mutex mutex;
    absl::CondVar never;
    const auto stuck = runtime.StartThread("stuck-one", [&] {
      absl::MutexLock lock(&mutex);
      while (true) runtime.Wait(never, mutex);
    });
  };
  EXPECT_DEATH(deadlock(), "seed 4711: all threads wait(.|\n)*stuck-one: waiting");
}

TEST(SimRuntimeDeathTest, AMutexHeldOverAYieldIsFound) {
  const auto held = [] {
    SimRuntime runtime(5);
    absl::Mutex mutex;
    absl::CondVar condition;
    const auto holder = runtime.StartThread("holder", [&] {
      absl::MutexLock lock(&mutex);
      while (true) runtime.Yield();
    });
    absl::MutexLock lock(&mutex);
    while (true) runtime.Wait(condition, mutex);
  };
  EXPECT_DEATH(held(), "a mutex is held over an I/O");
}

}  // namespace
}  // namespace baton::sim
