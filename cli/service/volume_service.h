// The commands of the control socket that change volumes, carried out by the engine.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <functional>
#include <string>
#include <utility>

#include "cli/control/control.pb.h"
#include "cli/service/pool_queries.h"
#include "engine/engine.h"

namespace baton::control {

// Thread-safe. Refusals are the engine's.
class VolumeService {
 public:
  // Returns when it is known what is open on every node (ha::OwnerPeers::AwaitOpens); empty: there is one.
  using AwaitOpens = std::function<absl::Status(bool degraded)>;

  // `queries` outlives it.
  VolumeService(Engine& engine, const PoolQueries& queries, AwaitOpens await_opens)
      : engine_(engine), queries_(queries), await_opens_(std::move(await_opens)) {}

  absl::StatusOr<VolumeStatus> Create(const VolumeCreate& request);
  absl::StatusOr<VolumeStatus> Adopt(const VolumeName& request);
  absl::StatusOr<VolumeStatus> FinishImport(const VolumeName& request);
  absl::StatusOr<VolumeStatus> Resize(const VolumeResize& request);
  absl::StatusOr<VolumeStatus> Rename(const VolumeRename& request);
  absl::StatusOr<Done> Delete(const VolumeDelete& request);

 private:
  absl::StatusOr<VolumeStatus> Show(const std::string& name) const {
    return queries_.ShowVolume(engine_, Allocation::kMeasured, name);
  }

  Engine& engine_;
  const PoolQueries& queries_;
  const AwaitOpens await_opens_;
};

}  // namespace baton::control
