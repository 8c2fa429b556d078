// The volume commands of the control socket, carried out by the engine.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <string>

#include "cli/control.pb.h"
#include "engine/engine.h"

namespace baton::control {

// Thread-safe. Refusals are the engine's.
class VolumeService {
 public:
  VolumeService(Engine& engine, std::string mount) : engine_(engine), mount_(std::move(mount)) {}

  absl::StatusOr<VolumeStatus> Create(const VolumeCreate& request);
  absl::StatusOr<VolumeStatus> FinishImport(const VolumeName& request);
  absl::StatusOr<VolumeStatus> Show(const VolumeName& request) const;
  absl::StatusOr<Done> Delete(const VolumeName& request);
  // By name, as many as fit in a message.
  absl::StatusOr<VolumeList> List(const Page& page) const;

 private:
  absl::StatusOr<VolumeStatus> ShowNamed(const std::string& name) const;

  Engine& engine_;
  const std::string mount_;
};

}  // namespace baton::control
