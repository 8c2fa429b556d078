#include "cli/baton/interrupt.h"

#include <absl/time/clock.h>
#include <signal.h>
#include <time.h>

#include <atomic>

namespace baton {
namespace {

std::atomic<bool> interrupted{false};  // a signal handler reaches nothing else
static_assert(std::atomic<bool>::is_always_lock_free);

}  // namespace

void CatchInterrupts() {
  struct sigaction action {};
  action.sa_handler = [](int) { interrupted = true; };
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGTERM, &action, nullptr);
}

bool Interrupted() { return interrupted; }

void SleepUnlessInterrupted(absl::Duration duration) {
  const timespec time = absl::ToTimespec(duration);
  if (!Interrupted()) ::nanosleep(&time, nullptr);  // a signal ends it
}

}  // namespace baton
