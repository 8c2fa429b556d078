// Follows the metadata of a pool that another node owns.
#pragma once

#include <absl/base/thread_annotations.h>
#include <absl/status/status.h>
#include <absl/synchronization/mutex.h>

#include <memory>

#include "engine/base/runtime.h"
#include "engine/base/stop_signal.h"
#include "engine/standby_view.h"
#include "ha/node/latest_lease.h"
#include "ha/node/ownership_board.h"
#include "ha/node/storage_watch.h"

namespace baton::ha {

// A thread, "standby-view", waits for storage. An owner has no view. Thread-safe.
class ViewFollower {
 public:
  // The references outlive this.
  ViewFollower(Runtime& runtime, const StorageWatch& watch, const LatestLease& lease,
               const OwnershipBoard& board)
      : runtime_(runtime), watch_(watch), lease_(lease), board_(board), stop_(runtime) {}
  ~ViewFollower() { Stop(); }
  ViewFollower(const ViewFollower&) = delete;
  ViewFollower& operator=(const ViewFollower&) = delete;

  void Start();
  // Returns when the thread has ended.
  void Stop();

  // What this node knows of the pool; null: nothing yet, or it is the owner.
  std::shared_ptr<StandbyView> view() const;

 private:
  void Follow();
  absl::Status Poll(PosixStorage& storage);
  void Keep(std::shared_ptr<StandbyView> view);

  Runtime& runtime_;
  const StorageWatch& watch_;
  const LatestLease& lease_;
  const OwnershipBoard& board_;
  StopSignal stop_;
  mutable absl::Mutex mutex_;
  std::shared_ptr<StandbyView> view_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<Thread> thread_;
};

}  // namespace baton::ha
