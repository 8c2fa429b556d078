#include "ha/volumes/view_volumes.h"

#include <algorithm>

#include "engine/base/status.h"

namespace baton::ha {
namespace {

absl::Status NotKnown() { return absl::AbortedError("no controller serves the pool"); }

}  // namespace

absl::StatusOr<std::vector<VolumeName>> ViewVolumes::List(uint64_t after_id, size_t limit) const {
  const std::shared_ptr<const StandbyView> view = sources_.view();
  if (view == nullptr) return NotKnown();
  std::vector<VolumeName> names;
  for (VolumeInfo& volume : view->ListVolumes()) {
    if (volume.id > after_id) names.push_back({.id = volume.id, .name = std::move(volume.name)});
  }
  std::sort(names.begin(), names.end(),
            [](const VolumeName& a, const VolumeName& b) { return a.id < b.id; });
  if (names.size() > limit) names.resize(limit);
  return names;
}

template <typename Key>
absl::StatusOr<VolumeEntry> ViewVolumes::Find(const Key& key) const {
  const std::shared_ptr<const StandbyView> view = sources_.view();
  if (view == nullptr) return NotKnown();
  BATON_ASSIGN_OR_RETURN(const VolumeInfo volume, view->FindVolume(key));
  const int64_t changed = volume.changed_unix_us;
  return VolumeEntry{.id = volume.id,
                     .name = volume.name,
                     .size_bytes = volume.size_bytes,
                     .allocated_bytes = volume.size_bytes,
                     .created_unix_us = volume.created_unix_us,
                     .changed_unix_us = changed != 0 ? changed : began_unix_us_.load()};
}

absl::StatusOr<VolumeEntry> ViewVolumes::Lookup(const std::string& name) const {
  return Find(name);
}

absl::StatusOr<VolumeEntry> ViewVolumes::Get(uint64_t id) const { return Find(id); }

absl::StatusOr<std::shared_ptr<VolumeIo>> ViewVolumes::Open(uint64_t) { return NotKnown(); }

absl::StatusOr<std::optional<DataRange>> ViewVolumes::NextData(uint64_t, uint64_t) const {
  return NotKnown();
}

absl::StatusOr<Capacity> ViewVolumes::GetCapacity() const {
  const std::shared_ptr<const StandbyView> view = sources_.view();
  if (view == nullptr) return NotKnown();
  Capacity capacity = sources_.capacity();
  capacity.volumes = view->ListVolumes().size();
  return capacity;
}

}  // namespace baton::ha
