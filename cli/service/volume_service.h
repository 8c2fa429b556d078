// The volume commands of the control socket, carried out by the engine.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <functional>
#include <string>
#include <utility>

#include "cli/control/control.pb.h"
#include "engine/engine.h"

namespace baton::control {

// Thread-safe. Refusals are the engine's.
class VolumeService {
 public:
  // Returns when it is known what is open on every node (ha::OwnerPeers::AwaitOpens); empty: there is one.
  using AwaitOpens = std::function<absl::Status(bool degraded)>;

  VolumeService(Engine& engine, std::string mount, AwaitOpens await_opens)
      : engine_(engine), mount_(std::move(mount)), await_opens_(std::move(await_opens)) {}

  absl::StatusOr<VolumeStatus> Create(const VolumeCreate& request);
  absl::StatusOr<VolumeStatus> Adopt(const VolumeName& request);
  absl::StatusOr<VolumeStatus> FinishImport(const VolumeName& request);
  absl::StatusOr<VolumeStatus> Show(const VolumeName& request) const;
  absl::StatusOr<Done> Delete(const VolumeDelete& request);
  // By name, as many as fit in a message.
  absl::StatusOr<VolumeList> List(const Page& page) const;

 private:
  absl::StatusOr<VolumeStatus> ShowNamed(const std::string& name) const;

  Engine& engine_;
  const std::string mount_;
  const AwaitOpens await_opens_;
};

}  // namespace baton::control
