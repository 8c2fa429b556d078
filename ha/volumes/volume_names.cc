#include "ha/volumes/volume_names.h"

#include <string>
#include <utility>

#include "engine/base/status.h"

namespace baton::ha {

std::vector<VolumeName> NamesAfter(const PoolView& pool, uint64_t id, size_t limit) {
  std::vector<VolumeName> names;
  for (VolumeInfo& volume : pool.ListVolumesAfter(id, limit)) {
    names.push_back({.id = volume.id, .name = std::move(volume.name)});
  }
  return names;
}

template <typename Key>
absl::StatusOr<VolumeEntry> FindEntry(const PoolView& pool, const Key& key, Allocation allocation) {
  BATON_ASSIGN_OR_RETURN(VolumeInfo volume, pool.FindVolume(key));
  VolumeEntry entry{.id = volume.id,
                    .name = std::move(volume.name),
                    .size_bytes = volume.size_bytes,
                    .allocated_bytes = volume.size_bytes,
                    .created_unix_us = volume.created_unix_us,
                    .changed_unix_us = volume.changed_unix_us};
  if (allocation == Allocation::kMeasured) {
    BATON_ASSIGN_OR_RETURN(entry.allocated_bytes, pool.AllocatedBytes(volume.id));
  }
  return entry;
}

template absl::StatusOr<VolumeEntry> FindEntry(const PoolView&, const std::string&, Allocation);
template absl::StatusOr<VolumeEntry> FindEntry(const PoolView&, const uint64_t&, Allocation);

}  // namespace baton::ha
