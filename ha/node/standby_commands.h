// A standby's part in commands of the owner.
#pragma once

#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include "engine/base/runtime.h"
#include "engine/standby_view.h"
#include "ha/io/peer_api.pb.h"
#include "ha/node/storage_jobs.h"
#include "ha/node/storage_watch.h"
#include "ha/node/view_follower.h"

namespace baton::ha {

// How long the metadata that a standby follows may lag behind a command.
inline constexpr absl::Duration kViewLag = absl::Seconds(2);

// Unavailable: this node does not know the pool yet, or its storage does not answer. Thread-safe.
class StandbyCommands {
 public:
  // The references outlive this.
  StandbyCommands(Runtime& runtime, const StorageWatch& watch, const ViewFollower& follower,
                  StorageJobs& jobs)
      : runtime_(runtime), watch_(watch), follower_(follower), jobs_(jobs) {}

  // StandbyView::CheckPrepare.
  absl::StatusOr<peer_api::Answer> Prepare(const peer_api::Prepare& prepare);
  // StandbyView::RegisterClone.
  absl::StatusOr<peer_api::Answer> Activated(const peer_api::Clones& clones);

 private:
  absl::StatusOr<std::shared_ptr<StandbyView>> View() const;

  Runtime& runtime_;
  const StorageWatch& watch_;
  const ViewFollower& follower_;
  StorageJobs& jobs_;
};

}  // namespace baton::ha
