// An intent slot: the evidence for T0 content of extents whose bits are not in the metadata yet.
// The content stands right behind the slot in the intent log, or in the target already. 512 bytes
// at the start of a 4 KiB block, so that no loss of power can tear it (a sector is written whole or
// not at all); the rest of the block is zero.
#pragma once

#include <absl/status/statusor.h>

#include <array>
#include <cstdint>
#include <optional>

#include "engine/base/bytes.h"
#include "engine/base/checksum.h"
#include "engine/base/limits.h"
#include "engine/clone/extents.h"

namespace baton {

struct IntentSlot {
  uint64_t epoch = 0;
  uint64_t run_id = 0;
  uint64_t sequence = 0;       // grows by one with each slot that is written
  uint64_t meta_sequence = 0;  // of the newest durable metadata write when the slot was written
  ExtentSpan span;             // 1 to limits::kMaxExtentsPerCopy extents
  // Of the T0 content, which follows the slot; 0: the content is in the target.
  uint64_t data_bytes = 0;
  std::array<Digest, limits::kMaxExtentsPerCopy> digests{};  // of their T0 content
};

inline constexpr size_t kSlotBytes = 512;

// Layout, little-endian:
//   0  magic "BATONINT"     8  format (u32, 2)      12  count (u32)
//  16  epoch               24  run id              32  first extent
//  40  sequence            48  metadata sequence   56  data bytes
//  64  16 digests          320 zero                504  XXH3-64 of bytes 0 to 503
// Format 1 is the same with zero at 56. `block` is one whole block (limits::kBlockBytes).
void EncodeSlot(const IntentSlot& slot, MutableBytes block);

// nullopt: never used (the sector is all zeros). DataLoss: garbled or of another format.
absl::StatusOr<std::optional<IntentSlot>> DecodeSlot(Bytes block);

}  // namespace baton
