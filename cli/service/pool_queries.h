// The questions of the control socket about a pool, answered from what is known of it: by its
// owner, and by a standby while nobody owns it.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <optional>
#include <string>
#include <utility>

#include "cli/control/control.pb.h"
#include "engine/pool_view.h"

namespace baton::control {

// Thread-safe. Refusals are the view's.
class PoolQueries {
 public:
  // `mount`: volumes are shown as files of this directory.
  explicit PoolQueries(std::string mount) : mount_(std::move(mount)) {}

  // nullopt: `request` is no such question. Lists: as many as fit in a message, volumes by name,
  // clones by id.
  std::optional<absl::Status> Answer(const PoolView& pool, Allocation allocation,
                                     const Request& request, Response& response) const;
  // A question about volumes: with Allocation::kAssumed its answer never waits for the storage.
  static bool IsAboutVolumes(const Request& request);
  absl::StatusOr<VolumeStatus> ShowVolume(const PoolView& pool, Allocation allocation,
                                          const std::string& name) const;

  // The answer to a request that another controller has answered with the paths of its own mount.
  void UseOwnPaths(Response& response) const;

 private:
  std::string PathOf(const std::string& volume) const { return mount_ + "/" + volume; }
  absl::StatusOr<VolumeList> ListVolumes(const PoolView& pool, Allocation allocation,
                                         const Page& page) const;

  std::string mount_;
};

// The clones of the pool, as many as fit, what is wrong with them, and whether the controller is
// healthy. Null: nothing is known of the pool. Never waits for the storage.
void AddClones(const PoolView* pool, ControllerStatus& status);

}  // namespace baton::control
