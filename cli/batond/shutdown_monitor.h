// What a running controller's main thread waits for.
#pragma once

#include <absl/base/thread_annotations.h>
#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/synchronization/mutex.h>

#include <atomic>
#include <memory>
#include <set>

#include "engine/base/unique_fd.h"
#include "engine/base/wake_fd.h"

namespace baton {

enum class ProcessEvent {
  kFirstAnswer,  // the first request was answered; no end
  kStop,         // an orderly stop was asked for
  kDrain,        // likewise, and the mount stays: a successor goes on with it
  kUnmounted,    // the mount was taken down by someone else
  kFault,        // the engine cannot go on, or the lease is lost
};

// Note…() may be called from any thread, any number of times, and never wait.
class ShutdownMonitor {
 public:
  // Blocks SIGTERM and SIGINT in the calling thread: call it in the main thread before any other
  // thread is started, so that all inherit it.
  static absl::StatusOr<std::unique_ptr<ShutdownMonitor>> Make();

  void NoteFault(const absl::Status& fault);
  void Note(ProcessEvent event);
  // SIGTERM and SIGINT are for the keeper, which then gives an order. Where there is none they are
  // orders themselves.
  void ObeySignals(bool obey) { obey_signals_ = obey; }

  // Waits for the next event, or, of several, the worst. After a signal that is an order the next
  // one has its usual effect: it ends the process at once.
  ProcessEvent Await();
  // OK while there is none.
  absl::Status fault() const;
  // An orderly end was asked for, and Await() has not told yet: whoever waits for something else
  // gives that up.
  bool IsAsked() const;

 private:
  explicit ShutdownMonitor(UniqueFd signals) : signals_(std::move(signals)) {}
  bool SignalIsOrder();

  const UniqueFd signals_;
  WakeFd wake_;
  mutable absl::Mutex mutex_;
  absl::Status fault_ ABSL_GUARDED_BY(mutex_);
  std::set<ProcessEvent> events_ ABSL_GUARDED_BY(mutex_);
  std::atomic<bool> obey_signals_ = false;
};

}  // namespace baton
