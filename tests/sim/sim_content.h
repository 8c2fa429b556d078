// The content of one simulated file: what readers see, what is durable, and what lies between.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "engine/base/limits.h"
#include "engine/base/storage.h"
#include "tests/sim/sim_random.h"
#include "tests/sim/sim_steps.h"

namespace baton::sim {

inline constexpr uint64_t kSectorBytes = 512;

// Sparse bytes; what was never written, or was punched, is zero and takes no space.
class Pages {
 public:
  static constexpr uint64_t kPageBytes = limits::kBlockBytes;

  Pages() = default;
  Pages(const Pages& other) { *this = other; }
  Pages& operator=(const Pages& other);

  void Read(uint64_t offset, MutableBytes out) const;
  void Write(uint64_t offset, Bytes data);
  // Zeros; pages that are covered whole give their space back.
  void Punch(uint64_t offset, uint64_t length_bytes);
  // Gives the pages of the range space where they have none.
  void Reserve(uint64_t offset, uint64_t length_bytes);
  bool Has(uint64_t page) const { return page < pages_.size() && pages_[page] != nullptr; }
  // Pages of the range that have no space yet.
  uint64_t Missing(uint64_t offset, uint64_t length_bytes) const;
  uint64_t allocated_bytes() const { return count_ * kPageBytes; }
  uint64_t end_page() const { return pages_.size(); }

 private:
  using Page = std::array<std::byte, kPageBytes>;

  Page& Touch(uint64_t page, bool overwritten_whole);

  std::vector<std::unique_ptr<Page>> pages_;
  uint64_t count_ = 0;
};

// What readers see is the newest; behind it are the durable image and the ordered changes that
// are not durable yet. Per sector of 512 bytes a crash keeps any one of the versions since the
// durable one; changes of the size are kept in order, up to any point.
class Content {
 public:
  using ChangeId = uint64_t;

  const Pages& pages() const { return newest_; }
  uint64_t size_bytes() const { return size_; }
  void Read(uint64_t offset, MutableBytes out) const;

  // Change what readers see at once. `direct`: by direct I/O, see CrashKind::kNode.
  ChangeId Write(uint64_t offset, Bytes data, bool direct);
  ChangeId Punch(uint64_t offset, uint64_t length_bytes);
  ChangeId Reserve(uint64_t offset, uint64_t length_bytes);
  ChangeId Resize(uint64_t size_bytes);

  // The change has been acknowledged: a Sync that is issued from now on covers it.
  void Complete(ChangeId id);
  // The change is durable, and what it replaced will not come back.
  void MakeDurable(ChangeId id);

  // What a Sync issued now covers.
  std::vector<ChangeId> Completed() const;
  void MakeDurable(const std::vector<ChangeId>& ids);
  // After a Sync that failed no later one saves the changes that it covered.
  void Doom(const std::vector<ChangeId>& ids);

  // After kNode and kPower what is left becomes both what readers see and the durable image; after
  // kProcess everything stays as it is, and none of it is in flight any more.
  void Crash(CrashKind kind, Random& random);

 private:
  struct Change {
    ChangeId id = 0;
    uint64_t first_sector = 0;
    uint64_t sectors = 0;
    std::vector<std::byte> data;       // of whole sectors; empty: zeros, space given back
    std::vector<bool> replaced;        // sectors of which something newer is durable
    std::optional<uint64_t> new_size;  // the size changes too
    bool direct = false;
    bool completed = false;
    bool doomed = false;
  };

  Change& Append(uint64_t offset, uint64_t length_bytes);
  Change* Find(ChangeId id);
  template <typename Kept>
  void ApplySectors(const Change& change, Kept kept);
  void ApplyRun(const Change& change, uint64_t begin, uint64_t end);
  void ApplySize(Change& change);
  void ApplySizesUpTo(ChangeId id);
  void ReplaceOlder(const Change& change);
  void Tear(const Change& change, Random& random);
  void KeepWhole(Change& change);

  Pages newest_;
  uint64_t size_ = 0;
  Pages durable_;
  uint64_t durable_size_ = 0;
  std::vector<Change> changes_;  // in the order of their effect
  ChangeId last_id_ = 0;
};

}  // namespace baton::sim
