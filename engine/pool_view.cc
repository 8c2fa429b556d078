#include "engine/pool_view.h"

#include <absl/strings/numbers.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "engine/base/names.h"
#include "engine/base/status.h"
#include "engine/clone/clone_status.h"
#include "engine/clone/state.h"

namespace baton {

std::vector<VolumeInfo> PoolView::ListVolumes() const {
  std::vector<VolumeInfo> volumes = ListVolumesAfter(0, std::numeric_limits<size_t>::max());
  std::sort(volumes.begin(), volumes.end(),
            [](const VolumeInfo& a, const VolumeInfo& b) { return a.name < b.name; });
  return volumes;
}

absl::StatusOr<VolumeInfo> PoolView::FindVolume(const std::string& name) const {
  std::optional<KnownVolume> volume = LookUpVolume(name);
  if (!volume) return NoSuchVolume(name);
  return std::move(volume->info);
}

absl::StatusOr<VolumeInfo> PoolView::FindVolume(uint64_t id) const {
  std::optional<KnownVolume> volume = LookUpVolume(id);
  if (!volume) return NoSuchVolume(id);
  return std::move(volume->info);
}

absl::StatusOr<VolumeStatus> PoolView::ShowVolume(const std::string& name,
                                                  Allocation allocation) const {
  BATON_RETURN_IF_ERROR(CheckName(name));
  const std::optional<KnownVolume> volume = LookUpVolume(name);
  if (!volume) return NoSuchVolume(name);
  VolumeStatus status;
  status.set_name(name);
  status.set_id(volume->info.id);
  status.set_size_bytes(volume->info.size_bytes);
  status.set_allocated_bytes(volume->info.size_bytes);
  if (allocation == Allocation::kMeasured) {
    const absl::StatusOr<uint64_t> allocated_bytes = AllocatedBytes(volume->info.id);
    if (absl::IsNotFound(allocated_bytes.status())) return NoSuchVolume(name);  // just deleted
    BATON_RETURN_IF_ERROR(allocated_bytes.status());
    status.set_allocated_bytes(*allocated_bytes);
  }
  status.set_thick(volume->thick);
  status.set_importing(volume->importing);
  status.set_changed_unix_us(volume->info.changed_unix_us);
  ForEachRelation([&](const RelationRecord& relation) {
    if (relation.source() == name || relation.target() == name) {
      status.add_clone_ids(relation.id());
    }
    if (relation.target() == name && IsTargetOffline(relation.state())) status.set_offline(true);
  });
  AddUse(volume->info.id, status);
  return status;
}

absl::StatusOr<uint64_t> PoolView::FindClone(const std::string& id_or_target) const {
  CloneMatches matches;
  uint64_t number = 0;
  const bool is_number = absl::SimpleAtoi(id_or_target, &number);
  ForEachRelation([&](const RelationRecord& relation) {
    if (is_number && relation.id() == number) matches.by_number = number;
    if (relation.target() == id_or_target) matches.by_target = relation.id();
  });
  return ChooseClone(id_or_target, matches);
}

std::vector<uint64_t> PoolView::ClonesUsing(const std::string& volume) const {
  std::vector<uint64_t> ids;
  ForEachRelation([&](const RelationRecord& relation) {
    if (relation.source() == volume || relation.target() == volume) ids.push_back(relation.id());
  });
  return ids;
}

PoolView::KnownVolume PoolView::KnownOf(const VolumeRecord& record, int64_t changed_unix_us) {
  return {.info = {.id = record.id(),
                   .name = record.name(),
                   .size_bytes = record.size_bytes(),
                   .created_unix_us = record.created_unix_us(),
                   .changed_unix_us = changed_unix_us},
          .thick = record.thick(),
          .importing = record.importing()};
}

}  // namespace baton
