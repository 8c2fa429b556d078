#include "cli/volume_adapter.h"

#include "engine/base/status.h"

namespace baton {

std::vector<fs::VolumeEntry> VolumeAdapter::List() const {
  std::vector<fs::VolumeEntry> entries;
  for (const VolumeInfo& volume : engine_->ListVolumes()) {
    absl::StatusOr<fs::VolumeEntry> entry = Describe(volume);
    if (entry.ok()) entries.push_back(*std::move(entry));  // else deleted meanwhile
  }
  return entries;
}

absl::StatusOr<fs::VolumeEntry> VolumeAdapter::Lookup(const std::string& name) const {
  for (const VolumeInfo& volume : engine_->ListVolumes()) {
    if (volume.name == name) return Describe(volume);
  }
  return Error(absl::StatusCode::kNotFound, "there is no volume {}", name);
}

absl::StatusOr<fs::VolumeEntry> VolumeAdapter::Get(uint64_t id) const {
  for (const VolumeInfo& volume : engine_->ListVolumes()) {
    if (volume.id == id) return Describe(volume);
  }
  return Error(absl::StatusCode::kNotFound, "there is no volume with the number {}", id);
}

absl::StatusOr<fs::VolumeEntry> VolumeAdapter::Describe(const VolumeInfo& volume) const {
  BATON_ASSIGN_OR_RETURN(const VolumeStatus status, engine_->ShowVolume(volume.name));
  return fs::VolumeEntry{.id = volume.id,
                         .name = volume.name,
                         .size_bytes = volume.size_bytes,
                         .allocated_bytes = status.allocated_bytes(),
                         .created_unix_us = volume.created_unix_us};
}

absl::StatusOr<std::unique_ptr<VolumeIo>> VolumeAdapter::Open(uint64_t id) {
  return engine_->OpenVolume(id);
}

absl::StatusOr<std::optional<DataRange>> VolumeAdapter::NextData(uint64_t id,
                                                                 uint64_t offset) const {
  return engine_->NextData(id, offset);
}

absl::StatusOr<fs::Capacity> VolumeAdapter::GetCapacity() const {
  fs::Capacity capacity;
  BATON_ASSIGN_OR_RETURN(capacity.total_bytes, storage_.TotalBytes());
  BATON_ASSIGN_OR_RETURN(capacity.free_bytes, storage_.FreeBytes());
  return capacity;
}

}  // namespace baton
