#include "engine/base/system_runtime.h"

#include <pthread.h>

#include <atomic>
#include <csignal>

#include "tests/base/testing.h"

namespace baton {
namespace {

TEST(SystemRuntimeTest, BootTimeGrows) {
  const SystemRuntime runtime;
  const absl::Duration before = runtime.BootTime();
  absl::SleepFor(absl::Milliseconds(2));
  EXPECT_GE(runtime.BootTime() - before, absl::Milliseconds(2));
}

TEST(SystemRuntimeTest, AThreadRunsAndIsWaitedFor) {
  SystemRuntime runtime;
  std::atomic<bool> done = false;
  std::string name(16, '\0');
  runtime.StartThread("fifteen-letters", [&] {
    pthread_getname_np(pthread_self(), name.data(), name.size());
    done = true;
  });
  EXPECT_TRUE(done);
  EXPECT_STREQ(name.c_str(), "fifteen-letters");
}

TEST(SystemRuntimeTest, SignalsAreBlockedInThreadsAndNotOutside) {
  SystemRuntime runtime;
  sigset_t inside = {};
  sigset_t outside = {};
  runtime.StartThread("signals", [&] { pthread_sigmask(SIG_BLOCK, nullptr, &inside); });
  pthread_sigmask(SIG_BLOCK, nullptr, &outside);
  EXPECT_TRUE(sigismember(&inside, SIGTERM));
  EXPECT_TRUE(sigismember(&inside, SIGALRM));
  EXPECT_FALSE(sigismember(&inside, SIGSEGV));
  EXPECT_FALSE(sigismember(&outside, SIGTERM));
}

TEST(SystemRuntimeTest, WaitWakesOnTheCondition) {
  SystemRuntime runtime;
  absl::Mutex mutex;
  absl::CondVar changed;
  bool ready = false;
  const auto setter = runtime.StartThread("setter", [&] {
    absl::MutexLock lock(&mutex);
    ready = true;
    changed.SignalAll();
  });
  absl::MutexLock lock(&mutex);
  while (!ready) runtime.Wait(changed, mutex);
  EXPECT_TRUE(ready);
}

TEST(SystemRuntimeTest, WaitUntilEndsAtItsDeadline) {
  SystemRuntime runtime;
  absl::Mutex mutex;
  absl::CondVar never;
  absl::MutexLock lock(&mutex);
  const absl::Duration start = runtime.BootTime();
  const absl::Duration deadline = start + absl::Milliseconds(20);
  while (runtime.BootTime() < deadline) runtime.WaitUntil(never, mutex, deadline);
  EXPECT_LT(runtime.BootTime() - start, absl::Seconds(10));
  runtime.WaitUntil(never, mutex, start);  // the past: returns at once
}

TEST(SystemRuntimeTest, EveryDeadlineOfManyIsKept) {
  SystemRuntime runtime;
  absl::Mutex mutex;
  absl::CondVar never;
  int woken = 0;
  const absl::Duration start = runtime.BootTime();
  {
    std::vector<std::unique_ptr<Thread>> sleepers;
    for (const int turn : {3, 1, 4, 2}) {
      sleepers.push_back(runtime.StartThread("sleeper", [&, turn] {
        absl::MutexLock lock(&mutex);
        const absl::Duration deadline = start + turn * absl::Milliseconds(10);
        while (runtime.BootTime() < deadline) runtime.WaitUntil(never, mutex, deadline);
        ++woken;
      }));
    }
  }
  EXPECT_EQ(woken, 4);
  EXPECT_GE(runtime.BootTime() - start, absl::Milliseconds(40));
}

TEST(SystemRuntimeTest, WaitUntilWakesOnTheConditionToo) {
  SystemRuntime runtime;
  absl::Mutex mutex;
  absl::CondVar changed;
  bool ready = false;
  const absl::Duration never = runtime.BootTime() + absl::Hours(1);
  const auto waiter = runtime.StartThread("waiter", [&] {
    absl::MutexLock lock(&mutex);
    while (!ready) runtime.WaitUntil(changed, mutex, never);
  });
  absl::MutexLock lock(&mutex);
  ready = true;
  changed.SignalAll();
  EXPECT_LT(runtime.BootTime(), never);
}

}  // namespace
}  // namespace baton
