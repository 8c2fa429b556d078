#include "engine/write_log/block_index.h"

#include <bit>
#include <new>

namespace baton {

// At most half full.
BlockIndex::BlockIndex(size_t blocks)
    : mask_(std::bit_ceil(2 * blocks + 1) - 1),
      slots_(static_cast<Slot*>(std::calloc(mask_ + 1, sizeof(Slot)))) {
  if (slots_ == nullptr) throw std::bad_alloc();
}

size_t BlockIndex::HomeOf(uint64_t volume_id, uint64_t block) const {
  constexpr uint64_t kGolden = 0x9E3779B97F4A7C15;  // 2^64 / the golden ratio: Fibonacci hashing
  return ((block + volume_id * kGolden) * kGolden) >> 32 & mask_;
}

size_t BlockIndex::SlotOf(uint64_t volume_id, uint64_t block) const {
  size_t slot = HomeOf(volume_id, block);
  while (!slots_[slot].is_free() && !slots_[slot].IsOf(volume_id, block)) {
    slot = (slot + 1) & mask_;
  }
  return slot;
}

bool BlockIndex::Put(uint64_t volume_id, uint64_t block, const LogPlace& place) {
  absl::MutexLock guard(&mutex_);
  Slot& slot = slots_[SlotOf(volume_id, block)];
  const bool is_new = slot.is_free();
  if (is_new || place.IsNewerThan(slot.place)) slot = {volume_id, block + 1, place};
  return is_new;
}

std::optional<LogPlace> BlockIndex::Find(uint64_t volume_id, uint64_t block) const {
  absl::ReaderMutexLock guard(&mutex_);
  const Slot& slot = slots_[SlotOf(volume_id, block)];
  if (slot.is_free()) return std::nullopt;
  return slot.place;
}

bool BlockIndex::Erase(uint64_t volume_id, uint64_t block, const LogPlace& place) {
  absl::MutexLock guard(&mutex_);
  const size_t slot = SlotOf(volume_id, block);
  if (slots_[slot].is_free() || slots_[slot].place != place) return false;
  Vacate(slot);
  return true;
}

// What stands behind the slot because it was taken moves up.
void BlockIndex::Vacate(size_t slot) {
  for (size_t next = (slot + 1) & mask_; !slots_[next].is_free(); next = (next + 1) & mask_) {
    const size_t home = HomeOf(slots_[next].volume_id, slots_[next].number - 1);
    if (((next - home) & mask_) < ((next - slot) & mask_)) continue;  // it would be before its home
    slots_[slot] = slots_[next];
    slot = next;
  }
  slots_[slot] = {};
}

BlockIndex::Run BlockIndex::RunFrom(uint64_t volume_id, uint64_t block, uint64_t max) const {
  absl::ReaderMutexLock guard(&mutex_);
  const Slot& first = slots_[SlotOf(volume_id, block)];
  Run run = {1, std::nullopt};
  if (!first.is_free()) run.place = first.place;
  for (; run.blocks < max; ++run.blocks) {
    const Slot& next = slots_[SlotOf(volume_id, block + run.blocks)];
    if ((next.is_free()) != !run.place) break;
    if (!run.place) continue;
    LogPlace behind = *run.place;
    behind.block += run.blocks;
    if (next.place != behind) break;
  }
  return run;
}

bool BlockIndex::HasAny(uint64_t volume_id, uint64_t block, uint64_t count) const {
  const Run run = RunFrom(volume_id, block, count);
  return run.place.has_value() || run.blocks < count;
}

}  // namespace baton
