// The end of this process as by kill -KILL, for a drill.
#pragma once

#include <absl/base/thread_annotations.h>
#include <absl/status/status.h>
#include <absl/synchronization/mutex.h>
#include <absl/time/time.h>

#include <memory>
#include <string>

#include "cli/config/daemon_options.h"
#include "cli/keeper/keeper_client.h"
#include "engine/base/runtime.h"
#include "engine/lease/kill_timer.h"

namespace baton {

// Thread-safe.
class CrashOrder {
 public:
  // The references outlive this.
  CrashOrder(Runtime& runtime, const keeper::KeeperClient& keeper_client)
      : runtime_(runtime), keeper_(keeper_client) {}

  // FailedPrecondition: it would cost more than the process. Programs of the mount whose
  // FUSE_INIT is `init_request` would see errors, or peers would turn the machine off.
  absl::Status Check(const DaemonOptions& options, const std::string& init_request) const;
  // The kernel kills the process in `delay`, whatever it is doing: nothing is sealed, and no thread
  // gets to know.
  absl::Status Give(absl::Duration delay) ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  Runtime& runtime_;
  const keeper::KeeperClient& keeper_;
  absl::Mutex mutex_;
  std::unique_ptr<KillTimer> timer_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace baton
