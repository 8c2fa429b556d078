#include "engine/clone/intent_slot.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "engine/base/status.h"

namespace baton {
namespace {

constexpr char kMagic[8] = {'B', 'A', 'T', 'O', 'N', 'I', 'N', 'T'};
constexpr uint32_t kFormat = 2;

struct Layout {
  char magic[8];
  uint32_t format;
  uint32_t count;
  uint64_t epoch;
  uint64_t run_id;
  uint64_t first;
  uint64_t sequence;
  uint64_t meta_sequence;
  uint64_t data_bytes;
  std::array<Digest, limits::kMaxExtentsPerCopy> digests;
  char padding[kSlotBytes - 64 - 16 * limits::kMaxExtentsPerCopy - 8];
  uint64_t checksum;
};
static_assert(sizeof(Layout) == kSlotBytes);
static_assert(offsetof(Layout, digests) == 64);
static_assert(offsetof(Layout, checksum) == 504);
static_assert(std::endian::native == std::endian::little, "the layout is little-endian");

uint64_t ChecksumOf(const Layout& layout) {
  return Checksum64({reinterpret_cast<const std::byte*>(&layout), offsetof(Layout, checksum)});
}

bool IsValid(const Layout& layout) {
  return std::memcmp(layout.magic, kMagic, sizeof(kMagic)) == 0 &&
         layout.checksum == ChecksumOf(layout) && layout.format >= 1 && layout.format <= kFormat &&
         layout.count >= 1 && layout.count <= limits::kMaxExtentsPerCopy &&
         layout.data_bytes <= (layout.format == 1 ? 0 : limits::kLogDataBytes);
}

}  // namespace

void EncodeSlot(const IntentSlot& slot, MutableBytes block) {
  Layout layout{};
  std::memcpy(layout.magic, kMagic, sizeof(kMagic));
  layout.format = kFormat;
  layout.count = static_cast<uint32_t>(slot.span.count);
  layout.epoch = slot.epoch;
  layout.run_id = slot.run_id;
  layout.first = slot.span.first;
  layout.sequence = slot.sequence;
  layout.meta_sequence = slot.meta_sequence;
  layout.data_bytes = slot.data_bytes;
  layout.digests = slot.digests;
  layout.checksum = ChecksumOf(layout);
  std::fill(block.begin(), block.end(), std::byte{0});
  std::memcpy(block.data(), &layout, sizeof(layout));
}

absl::StatusOr<std::optional<IntentSlot>> DecodeSlot(Bytes block) {
  const Bytes sector = block.first(kSlotBytes);
  static constexpr std::array<std::byte, kSlotBytes> kZeros{};
  if (std::memcmp(sector.data(), kZeros.data(), kSlotBytes) == 0) return std::nullopt;
  Layout layout;
  std::memcpy(&layout, sector.data(), sizeof(layout));
  if (!IsValid(layout)) {
    return Error(absl::StatusCode::kDataLoss, "it is garbled: its checksum or format is wrong");
  }
  IntentSlot slot{.epoch = layout.epoch,
                  .run_id = layout.run_id,
                  .sequence = layout.sequence,
                  .meta_sequence = layout.meta_sequence,
                  .span = {layout.first, layout.count},
                  .data_bytes = layout.data_bytes,
                  .digests = layout.digests};
  return slot;
}

}  // namespace baton
