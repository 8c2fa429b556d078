// A clone plugin in waiting: what a standby keeps of a run that another node's plugin works on.
#pragma once

#include <absl/status/status.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "engine/base/model.pb.h"
#include "engine/clone/bitmap.h"
#include "engine/clone/extents.h"
#include "engine/clone/intent_slot.h"
#include "engine/clone/named_extents.h"
#include "engine/meta/catalog_reader.h"

namespace baton {

// One thread follows; the bitmap, copies and sequence may be read by others meanwhile.
class WarmClone {
 public:
  // Of the relation's present run.
  explicit WarmClone(const RelationRecord& record);

  // Reads what is new in `catalog`, which has reached `sequence`: at most `max_pages` rows, from
  // where the last call has stopped. Nothing is read when nothing was written since.
  absl::Status Follow(const CatalogReader& catalog, uint64_t sequence, uint64_t max_pages);
  // All of it.
  absl::Status FollowAll(const CatalogReader& catalog, uint64_t sequence);
  // Rows may have been missed in silence: the next calls read all again.
  void ReadAgain() {
    has_all_ = false;
    cursor_.reset();
  }
  // The next Follow with this sequence will read nothing.
  bool HasAll(uint64_t sequence) const { return has_all_ && sequence_ == sequence; }

  uint64_t run_id() const { return run_id_; }
  const Geometry& geometry() const { return geometry_; }
  const Bitmap& copied() const { return copied_; }
  // Copies of extents that were begun.
  uint64_t copies() const { return std::max<uint64_t>(copies_, copied_.count()); }
  // Every bit that was written up to it is in the bitmap; 0: it was not read to the end yet.
  uint64_t sequence() const { return sequence_; }

  // The extents whose bits are clear and that a slot of this run names: ascending, disjoint.
  std::vector<ExtentSpan> Landing(std::span<const IntentSlot> slots) const {
    return NamedExtents(slots, run_id_, copied_);
  }

 private:
  absl::Status ReadPages(const CatalogReader& catalog, uint64_t max_pages);

  const uint64_t id_;
  const uint64_t run_id_;
  const Geometry geometry_;
  Bitmap copied_;
  std::atomic<uint64_t> copies_{0};
  std::atomic<uint64_t> sequence_{0};
  bool has_all_ = false;            // up to sequence_
  std::optional<uint64_t> cursor_;  // while a pass over the pages goes on: its next extent
  uint64_t pass_sequence_ = 0;      // what that pass will have reached
};

}  // namespace baton
