// What can make a running daemon end, and the wait for it.
#pragma once

#include <absl/base/thread_annotations.h>
#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/synchronization/mutex.h>

#include <memory>

#include "engine/base/unique_fd.h"

namespace baton {

enum class EndReason {
  kSignal,     // SIGTERM or SIGINT: an orderly stop was asked for
  kUnmounted,  // the mount was taken down by someone else
  kFault,      // the engine cannot go on, or the lease is lost
};

// Note…() may be called from any thread, any number of times, and never wait.
class EndWatch {
 public:
  // Blocks SIGTERM and SIGINT in the calling thread: call it in the main thread before any other
  // thread is started, so that all inherit it.
  static absl::StatusOr<std::unique_ptr<EndWatch>> Make();

  void NoteFault(const absl::Status& fault);
  void NoteUnmounted();

  // Waits for the first reason, or, of several, the worst. After a signal the next one has its
  // usual effect: it ends the process at once.
  EndReason Await();
  // OK while there is none.
  absl::Status fault() const;

 private:
  EndWatch(UniqueFd signals, UniqueFd wake)
      : signals_(std::move(signals)), wake_(std::move(wake)) {}
  void Wake();

  const UniqueFd signals_;
  const UniqueFd wake_;
  mutable absl::Mutex mutex_;
  absl::Status fault_ ABSL_GUARDED_BY(mutex_);
  bool unmounted_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace baton
