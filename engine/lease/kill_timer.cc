#include "engine/lease/kill_timer.h"

#include <cerrno>
#include <csignal>
#include <ctime>

#include "engine/base/errno_status.h"

namespace baton {
namespace {

class PosixKillTimer final : public KillTimer {
 public:
  explicit PosixKillTimer(timer_t timer) : timer_(timer) {}
  ~PosixKillTimer() override { ::timer_delete(timer_); }
  PosixKillTimer(const PosixKillTimer&) = delete;
  PosixKillTimer& operator=(const PosixKillTimer&) = delete;

  absl::Status Arm(absl::Duration deadline) override { return Set(absl::ToTimespec(deadline)); }

  void Disarm() override { Set({}).IgnoreError(); }

 private:
  absl::Status Set(timespec deadline) {
    const itimerspec setting = {.it_interval = {}, .it_value = deadline};
    if (::timer_settime(timer_, TIMER_ABSTIME, &setting, nullptr) == 0) return absl::OkStatus();
    return ErrnoStatus(errno, "set", "the kill timer");
  }

  const timer_t timer_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<KillTimer>> MakeKillTimer() {
  sigevent event = {};
  event.sigev_notify = SIGEV_SIGNAL;
  event.sigev_signo = SIGKILL;
  timer_t timer;
  if (::timer_create(CLOCK_BOOTTIME, &event, &timer) != 0) {
    return ErrnoStatus(errno, "make", "the kill timer");
  }
  return std::make_unique<PosixKillTimer>(timer);
}

}  // namespace baton
