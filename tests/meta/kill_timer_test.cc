#include "engine/lease/kill_timer.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/base/system_runtime.h"
#include "tests/base/testing.h"

namespace baton {
namespace {

constexpr absl::Duration kShort = absl::Milliseconds(200);

// Runs `body` in a child, which then sleeps for a second; the status that it ends with.
int StatusOfChild(const std::function<void()>& body) {
  const pid_t child = ::fork();
  if (child == 0) {
    body();
    ::usleep(1'000'000);
    ::_exit(0);
  }
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  return status;
}

bool IsKilled(int status) { return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL; }

absl::Duration Now() { return SystemRuntime().BootTime(); }

TEST(KillTimerTest, KillsTheProcessAtItsTime) {
  const absl::Duration begun = Now();
  EXPECT_TRUE(IsKilled(StatusOfChild([] {
    static const auto timer = MakeKillTimer();
    if (!timer.ok() || !(*timer)->Arm(Now() + kShort).ok()) ::_exit(1);
  })));
  EXPECT_GE(Now() - begun, kShort);
}

TEST(KillTimerTest, KillsAProcessThatIsStopped) {
  EXPECT_TRUE(IsKilled(StatusOfChild([] {
    static const auto timer = MakeKillTimer();
    if (!timer.ok() || !(*timer)->Arm(Now() + kShort).ok()) ::_exit(1);
    ::raise(SIGSTOP);
  })));
}

TEST(KillTimerTest, KillsAtOnceWhenTheTimeIsOver) {
  EXPECT_TRUE(IsKilled(StatusOfChild([] {
    static const auto timer = MakeKillTimer();
    if (timer.ok()) (*timer)->Arm(Now() - kShort).IgnoreError();
    ::_exit(1);
  })));
}

TEST(KillTimerTest, TheNewestDeadlineCounts) {
  EXPECT_EQ(StatusOfChild([] {
              static const auto timer = MakeKillTimer();
              if (!timer.ok() || !(*timer)->Arm(Now() + kShort).ok()) ::_exit(1);
              if (!(*timer)->Arm(Now() + absl::Hours(1)).ok()) ::_exit(2);
            }),
            0);
}

TEST(KillTimerTest, DisarmedOrDestroyedItKillsNobody) {
  EXPECT_EQ(StatusOfChild([] {
              static const auto timer = MakeKillTimer();
              if (!timer.ok() || !(*timer)->Arm(Now() + kShort).ok()) ::_exit(1);
              (*timer)->Disarm();
            }),
            0);
  EXPECT_EQ(StatusOfChild([] {
              auto timer = MakeKillTimer();
              if (!timer.ok() || !(*timer)->Arm(Now() + kShort).ok()) ::_exit(1);
            }),
            0);
}

}  // namespace
}  // namespace baton
