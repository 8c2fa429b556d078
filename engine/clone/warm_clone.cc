#include "engine/clone/warm_clone.h"

#include <algorithm>
#include <limits>
#include <vector>

#include "engine/base/status.h"
#include "engine/clone/clone_status.h"

namespace baton {

WarmClone::WarmClone(const RelationRecord& record)
    : id_(record.id()),
      run_id_(record.run_id()),
      geometry_(GeometryOf(record)),
      copied_(geometry_.extents()) {}

absl::Status WarmClone::Follow(const CatalogReader& catalog, uint64_t sequence,
                               uint64_t max_pages) {
  if (HasAll(sequence)) return absl::OkStatus();
  if (!cursor_) {
    BATON_ASSIGN_OR_RETURN(copies_, catalog.LoadCopies(run_id_));
    pass_sequence_ = sequence;
    cursor_ = copied_.NextClear(0, copied_.bits());  // what is before it cannot change any more
  }
  if (*cursor_ < copied_.bits()) BATON_RETURN_IF_ERROR(ReadPages(catalog, max_pages));
  if (cursor_ && *cursor_ < copied_.bits()) return absl::OkStatus();
  cursor_.reset();
  has_all_ = true;
  sequence_ = pass_sequence_;
  return absl::OkStatus();
}

absl::Status WarmClone::FollowAll(const CatalogReader& catalog, uint64_t sequence) {
  while (!HasAll(sequence)) {
    BATON_RETURN_IF_ERROR(Follow(catalog, sequence, std::numeric_limits<uint64_t>::max()));
  }
  return absl::OkStatus();
}

absl::Status WarmClone::ReadPages(const CatalogReader& catalog, uint64_t max_pages) {
  uint64_t stray = 0;
  const auto set = [&](uint64_t first, uint64_t count) {
    const uint64_t end = std::min(first + count, copied_.bits());
    if (end > first) copied_.Set({first, end - first});
    stray += first + count - std::max(first, end);
  };
  BATON_ASSIGN_OR_RETURN(cursor_, catalog.LoadCopiedFrom(run_id_, *cursor_, max_pages, set));
  if (stray == 0) return absl::OkStatus();
  return Error(absl::StatusCode::kDataLoss, "bitmap: clone {} has bits beyond its {} extents", id_,
               copied_.bits());
}

}  // namespace baton
