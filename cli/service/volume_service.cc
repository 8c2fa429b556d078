#include "cli/service/volume_service.h"

#include <algorithm>
#include <vector>

#include "cli/service/reply_budget.h"
#include "engine/base/status.h"

namespace baton::control {

absl::StatusOr<VolumeStatus> VolumeService::Create(const VolumeCreate& request) {
  BATON_RETURN_IF_ERROR(engine_
                            .CreateVolume({.name = request.name(),
                                           .size_bytes = request.size_bytes(),
                                           .thick = request.thick(),
                                           .importing = request.importing()})
                            .status());
  return ShowNamed(request.name());
}

absl::StatusOr<VolumeStatus> VolumeService::Adopt(const VolumeName& request) {
  BATON_RETURN_IF_ERROR(engine_.AdoptVolume(request.name()).status());
  return ShowNamed(request.name());
}

absl::StatusOr<VolumeStatus> VolumeService::FinishImport(const VolumeName& request) {
  BATON_RETURN_IF_ERROR(engine_.FinishImport(request.name()));
  return ShowNamed(request.name());
}

absl::StatusOr<VolumeStatus> VolumeService::Show(const VolumeName& request) const {
  return ShowNamed(request.name());
}

absl::StatusOr<Done> VolumeService::Delete(const VolumeDelete& request) {
  if (await_opens_) BATON_RETURN_IF_ERROR(await_opens_(request.degraded()));
  BATON_RETURN_IF_ERROR(engine_.DeleteVolume(request.name()));
  return Done();
}

absl::StatusOr<VolumeStatus> VolumeService::ShowNamed(const std::string& name) const {
  BATON_ASSIGN_OR_RETURN(VolumeStatus volume, engine_.ShowVolume(name));
  volume.set_path(mount_ + "/" + name);
  return volume;
}

absl::StatusOr<VolumeList> VolumeService::List(const Page& page) const {
  std::vector<std::string> names;
  for (const VolumeInfo& volume : engine_.ListVolumes()) {
    if (volume.name > page.after()) names.push_back(volume.name);
  }
  std::sort(names.begin(), names.end());
  VolumeList list;
  ReplyBudget budget;
  for (const std::string& name : names) {
    absl::StatusOr<VolumeStatus> volume = ShowNamed(name);
    if (absl::IsNotFound(volume.status())) continue;  // deleted meanwhile
    if (!volume.ok()) return volume.status();
    if (!budget.Take(*volume)) break;
    *list.add_volumes() = *std::move(volume);
  }
  return list;
}

}  // namespace baton::control
