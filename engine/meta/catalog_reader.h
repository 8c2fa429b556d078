// The reading half of the catalog: for whoever only looks, too. The rows: catalog.h.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "engine/base/checksum.h"
#include "engine/base/model.pb.h"
#include "engine/meta/meta_store.h"

namespace baton {

// Thread-safe. A row that is not what it must be is DataLoss; the message names its column and key.
class CatalogReader {
 public:
  using VisitCopied = std::function<void(uint64_t first, uint64_t count)>;

  // Borrows `store`.
  explicit CatalogReader(const MetaReader& store) : store_(store) {}

  absl::StatusOr<std::vector<VolumeRecord>> LoadVolumes() const;      // by id
  absl::StatusOr<std::vector<RelationRecord>> LoadRelations() const;  // by id

  // Visits the copied extents as ascending ranges that do not touch each other within a page.
  absl::Status LoadCopied(uint64_t run_id, const VisitCopied& visit) const;
  // As LoadCopied, of at most `max_pages` rows from the one with extent `first_extent` on. Returns
  // an extent to go on with; nullopt: there are no more rows.
  absl::StatusOr<std::optional<uint64_t>> LoadCopiedFrom(uint64_t run_id, uint64_t first_extent,
                                                         uint64_t max_pages,
                                                         const VisitCopied& visit) const;

  // Visits the rows in ascending order of their first extent, until it returns false.
  absl::Status ForEachDigestRun(
      uint64_t run_id,
      const std::function<bool(uint64_t first, std::span<const Digest>)>& visit) const;

  // How many copies of extents were begun for a run; 0 when nothing was stored.
  absl::StatusOr<uint64_t> LoadCopies(uint64_t run_id) const;

  // The first `limit` events with a sequence greater than `after_sequence`.
  absl::StatusOr<std::vector<Event>> ListEvents(uint64_t after_sequence, size_t limit) const;
  // As ListEvents, but only how far they reach: the greatest sequence; `after_sequence` when there
  // are none.
  absl::StatusOr<uint64_t> LastEventAfter(uint64_t after_sequence) const;
  // The least sequence that is not less than this one; 0 when there is none.
  absl::StatusOr<uint64_t> FirstEventFrom(uint64_t sequence) const;

  // The epoch of the newest batch; 0 when nothing was stored.
  absl::StatusOr<uint64_t> LoadEpoch() const;
  // The epoch as of whose end the records of volumes say when each changed last; 0: of none.
  absl::StatusOr<uint64_t> LoadTimesEpoch() const;

 private:
  absl::StatusOr<uint64_t> LoadSystemNumber(const char* key) const;

  const MetaReader& store_;
};

}  // namespace baton
