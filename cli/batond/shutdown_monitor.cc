#include "cli/batond/shutdown_monitor.h"

#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>

#include <array>
#include <cerrno>
#include <iterator>
#include <utility>

#include "engine/base/errno_status.h"
#include "engine/base/status.h"

namespace baton {
namespace {

sigset_t EndSignals() {
  sigset_t signals;
  ::sigemptyset(&signals);
  ::sigaddset(&signals, SIGTERM);
  ::sigaddset(&signals, SIGINT);
  return signals;
}

}  // namespace

absl::StatusOr<std::unique_ptr<ShutdownMonitor>> ShutdownMonitor::Make() {
  const sigset_t signals = EndSignals();
  ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  UniqueFd signal_fd(::signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!signal_fd.valid()) return ErrnoStatus(errno, "make a signalfd for", "SIGTERM");
  std::unique_ptr<ShutdownMonitor> monitor(new ShutdownMonitor(std::move(signal_fd)));
  BATON_RETURN_IF_ERROR(monitor->wake_.status());
  return monitor;
}

void ShutdownMonitor::NoteFault(const absl::Status& fault) {
  {
    absl::MutexLock guard(&mutex_);
    // A failed sync counts most, whenever it comes: nobody of this node may go on after it.
    if (fault_.ok() || (absl::IsDataLoss(fault) && !absl::IsDataLoss(fault_))) fault_ = fault;
  }
  Note(ProcessEvent::kFault);
}

void ShutdownMonitor::Note(ProcessEvent event) {
  {
    absl::MutexLock guard(&mutex_);
    events_.insert(event);
  }
  wake_.Wake();
}

ProcessEvent ShutdownMonitor::Await() {
  while (true) {
    if (SignalIsOrder()) Note(ProcessEvent::kStop);
    {
      absl::MutexLock guard(&mutex_);
      if (!events_.empty()) return events_.extract(std::prev(events_.end())).value();
    }
    std::array<pollfd, 2> watched{pollfd{signals_.get(), POLLIN, 0}, pollfd{wake_.fd(), POLLIN, 0}};
    ::poll(watched.data(), watched.size(), -1);
    wake_.Clear();
  }
}

bool ShutdownMonitor::SignalIsOrder() {
  bool any = false;
  signalfd_siginfo taken;
  while (::read(signals_.get(), &taken, sizeof(taken)) > 0) any = true;
  if (!any || !obey_signals_) return false;
  const sigset_t signals = EndSignals();
  ::pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);
  return true;
}

bool ShutdownMonitor::IsAsked() const {
  absl::MutexLock guard(&mutex_);
  return events_.contains(ProcessEvent::kStop) || events_.contains(ProcessEvent::kDrain);
}

absl::Status ShutdownMonitor::fault() const {
  absl::MutexLock guard(&mutex_);
  return fault_;
}

}  // namespace baton
