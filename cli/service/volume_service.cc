#include "cli/service/volume_service.h"

#include "engine/base/status.h"

namespace baton::control {

absl::StatusOr<VolumeStatus> VolumeService::Create(const VolumeCreate& request) {
  BATON_RETURN_IF_ERROR(engine_
                            .CreateVolume({.name = request.name(),
                                           .size_bytes = request.size_bytes(),
                                           .thick = request.thick(),
                                           .importing = request.importing()})
                            .status());
  return Show(request.name());
}

absl::StatusOr<VolumeStatus> VolumeService::Adopt(const VolumeName& request) {
  BATON_RETURN_IF_ERROR(engine_.AdoptVolume(request.name()).status());
  return Show(request.name());
}

absl::StatusOr<VolumeStatus> VolumeService::FinishImport(const VolumeName& request) {
  BATON_RETURN_IF_ERROR(engine_.FinishImport(request.name()));
  return Show(request.name());
}

absl::StatusOr<VolumeStatus> VolumeService::Resize(const VolumeResize& request) {
  BATON_RETURN_IF_ERROR(engine_.ResizeVolume(request.name(), request.size_bytes()));
  return Show(request.name());
}

absl::StatusOr<VolumeStatus> VolumeService::Rename(const VolumeRename& request) {
  if (await_opens_) BATON_RETURN_IF_ERROR(await_opens_(request.degraded()));
  BATON_RETURN_IF_ERROR(engine_.RenameVolume(request.name(), request.to()));
  return Show(request.to());
}

absl::StatusOr<Done> VolumeService::Delete(const VolumeDelete& request) {
  if (await_opens_) BATON_RETURN_IF_ERROR(await_opens_(request.degraded()));
  BATON_RETURN_IF_ERROR(engine_.DeleteVolume(request.name()));
  return Done();
}

}  // namespace baton::control
