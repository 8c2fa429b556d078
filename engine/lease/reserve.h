// Space that is kept back, so that a storage which hosts have filled still has room for the
// metadata of the next epoch: a takeover and a restart write some MiB before they can free any.
#pragma once

#include <absl/status/status.h>

#include <cstdint>

#include "engine/base/storage.h"

namespace baton {

// What is left of a pool's storage; zeros where it does not tell.
struct SpaceReading {
  uint64_t free_bytes = 0;
  uint64_t total_bytes = 0;
  uint64_t reserve_bytes = 0;  // allocated in POOL/reserve
};
SpaceReading MeasureSpace(Storage& storage);

// Gives the reserve (POOL/reserve) back to the storage when it is nearly full. For whoever claims
// an epoch, before the first write.
absl::Status ReleaseReserve(Storage& storage);

// Takes it again: limits::kReserveBytes, or what there is room for. For the owner, before hosts may
// write. ResourceExhausted: there is less; a crash may then leave nobody who can claim.
absl::Status FillReserve(Storage& storage);

}  // namespace baton
