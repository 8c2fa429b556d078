// The volumes of a pool as a mount shows them, whoever knows of them.
#pragma once

#include <absl/status/statusor.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "engine/base/volume_directory.h"
#include "engine/pool_view.h"

namespace baton::ha {

// At most `limit` of those with a greater id, by id.
std::vector<VolumeName> NamesAfter(const PoolView& pool, uint64_t id, size_t limit);

// `key`: a name or an id. NotFound: there is no such volume.
template <typename Key>
absl::StatusOr<VolumeEntry> FindEntry(const PoolView& pool, const Key& key, Allocation allocation);

}  // namespace baton::ha
