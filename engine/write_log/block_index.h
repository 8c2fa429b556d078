// Where the newest content of a block is, of all blocks that a write log holds.
#pragma once

#include <absl/synchronization/mutex.h>

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <optional>

namespace baton {

// Where a block's content stands: `sequence` is that of the entry, `file` the number of its log
// file; a later file has a greater number.
struct LogPlace {
  uint32_t file;
  uint64_t sequence;
  uint64_t block;  // of the file

  bool operator==(const LogPlace&) const = default;
  bool IsNewerThan(const LogPlace& other) const {
    return file != other.file ? file > other.file : sequence > other.sequence;
  }
};

// A hash table of fixed size with linear probing. Thread-safe; no allocation after construction.
// One lock, held for a few look-ups.
class BlockIndex {
 public:
  // Takes `blocks` entries.
  explicit BlockIndex(size_t blocks);

  // The newer place stays. True: the block was not there before.
  bool Put(uint64_t volume_id, uint64_t block, const LogPlace& place);
  std::optional<LogPlace> Find(uint64_t volume_id, uint64_t block) const;
  // Removes the block if it still stands there. True: it did.
  bool Erase(uint64_t volume_id, uint64_t block, const LogPlace& place);

  // Consecutive blocks that are all in one entry one behind the other, or all in none.
  struct Run {
    uint64_t blocks = 0;
    std::optional<LogPlace> place;  // of the first block
    bool operator==(const Run&) const = default;
  };
  // The run that begins with `block`, at most `max` blocks; max > 0.
  Run RunFrom(uint64_t volume_id, uint64_t block, uint64_t max) const;
  bool HasAny(uint64_t volume_id, uint64_t block, uint64_t count) const;

 private:
  struct Slot {
    uint64_t volume_id;
    uint64_t number;  // of the block, counted from 1; 0: the slot is free
    LogPlace place;

    bool is_free() const { return number == 0; }
    bool IsOf(uint64_t volume, uint64_t block) const {
      return volume_id == volume && number == block + 1;
    }
  };

  size_t HomeOf(uint64_t volume_id, uint64_t block) const;
  // The slot of the block, or the free one where it would be.
  size_t SlotOf(uint64_t volume_id, uint64_t block) const ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  void Vacate(size_t slot) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const size_t mask_;
  mutable absl::Mutex mutex_;
  struct Free {
    void operator()(Slot* slots) const { std::free(slots); }
  };
  // Zeros that take memory once they are used.
  std::unique_ptr<Slot[], Free> slots_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace baton
