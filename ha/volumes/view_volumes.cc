#include "ha/volumes/view_volumes.h"

#include "engine/base/status.h"
#include "ha/volumes/volume_names.h"

namespace baton::ha {
namespace {

absl::Status NotKnown() { return absl::AbortedError("no controller serves the pool"); }

}  // namespace

absl::StatusOr<std::vector<VolumeName>> ViewVolumes::List(uint64_t after_id, size_t limit) const {
  const std::shared_ptr<const PoolView> view = sources_.view();
  if (view == nullptr) return NotKnown();
  return NamesAfter(*view, after_id, limit);
}

template <typename Key>
absl::StatusOr<VolumeEntry> ViewVolumes::Find(const Key& key) const {
  const std::shared_ptr<const PoolView> view = sources_.view();
  if (view == nullptr) return NotKnown();
  BATON_ASSIGN_OR_RETURN(VolumeEntry entry, FindEntry(*view, key, Allocation::kAssumed));
  if (entry.changed_unix_us == 0) entry.changed_unix_us = began_unix_us_;
  return entry;
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
  const std::shared_ptr<const PoolView> view = sources_.view();
  if (view == nullptr) return NotKnown();
  Capacity capacity = sources_.capacity();
  capacity.volumes = view->CountVolumes();
  return capacity;
}

}  // namespace baton::ha
