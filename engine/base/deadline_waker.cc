#include "engine/base/deadline_waker.h"

#include <pthread.h>
#include <sys/timerfd.h>
#include <time.h>

#include <algorithm>
#include <cstdint>
#include <system_error>

#include "engine/base/boot_time.h"
#include "engine/base/signals_blocked.h"

namespace baton {
namespace {

// A sleeper may have been woken between entering itself and falling asleep: it is woken again.
constexpr absl::Duration kWakeAgain = absl::Milliseconds(2);

int MakeTimer() {
  const int timer = ::timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC);
  if (timer < 0) throw std::system_error(errno, std::generic_category(), "timerfd_create");
  return timer;
}

}  // namespace

DeadlineWaker::DeadlineWaker() : timer_(MakeTimer()) {
  const SignalsBlocked blocked;
  thread_ = std::thread([this] {
    pthread_setname_np(pthread_self(), "deadlines");
    Serve();
  });
}

DeadlineWaker::~DeadlineWaker() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
    Arm(absl::Nanoseconds(1));
  }
  thread_.join();
}

void DeadlineWaker::Wait(absl::CondVar& condition, absl::Mutex& mutex, absl::Duration deadline) {
  Sleeper sleeper = {&condition, deadline};
  {
    absl::MutexLock lock(&mutex_);
    sleepers_.push_back(&sleeper);
    if (deadline < armed_) Arm(deadline);
  }
  condition.Wait(&mutex);
  absl::MutexLock lock(&mutex_);
  std::erase(sleepers_, &sleeper);
}

// An absolute time that has passed fires at once; zero would disarm.
void DeadlineWaker::Arm(absl::Duration when) {
  armed_ = when;
  itimerspec setting = {};
  if (when < absl::InfiniteDuration()) {
    setting.it_value = absl::ToTimespec(std::max(when, absl::Nanoseconds(1)));
  }
  ::timerfd_settime(timer_.get(), TFD_TIMER_ABSTIME, &setting, nullptr);
}

bool DeadlineWaker::WakeDue() {
  absl::MutexLock lock(&mutex_);
  const absl::Duration now = BootTime();
  absl::Duration next = absl::InfiniteDuration();
  for (Sleeper* sleeper : sleepers_) {
    if (sleeper->deadline <= now) sleeper->condition->SignalAll();
    next = std::min(next, std::max(sleeper->deadline, now + kWakeAgain));
  }
  Arm(next);
  return !stopping_;
}

void DeadlineWaker::Serve() {
  do {
    uint64_t expirations = 0;
    [[maybe_unused]] const ssize_t got = ::read(timer_.get(), &expirations, sizeof(expirations));
  } while (WakeDue());
}

}  // namespace baton
