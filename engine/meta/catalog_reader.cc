#include "engine/meta/catalog_reader.h"

#include <cstring>
#include <limits>
#include <string>

#include "engine/base/limits.h"
#include "engine/base/status.h"
#include "engine/meta/catalog.h"
#include "engine/meta/table_keys.h"
#include "engine/meta/row_codec.h"
#include "engine/meta/run_keys.h"

namespace baton {
namespace {

using limits::kExtentsPerBitmapPage;

bool IsSet(const std::string& bits, uint64_t index) {
  return (static_cast<uint8_t>(bits[index / 8]) >> (index % 8) & 1) != 0;
}

// The first bit at or after `from` that is `wanted`; kExtentsPerBitmapPage when there is none.
uint64_t FindBit(const std::string& bits, uint64_t from, bool wanted) {
  const char skipped = static_cast<char>(wanted ? 0x00 : 0xff);
  while (from < kExtentsPerBitmapPage) {
    if (from % 8 == 0 && bits[from / 8] == skipped) {
      from += 8;
    } else if (IsSet(bits, from) == wanted) {
      return from;
    } else {
      ++from;
    }
  }
  return kExtentsPerBitmapPage;
}

absl::Status CheckBitmapRow(const std::string& key, const std::string& bits) {
  if (key.size() != kBitmapKeyBytes) {
    return DamagedRow(Column::kBitmap, key, "its key is malformed");
  }
  if (bits.size() == kExtentsPerBitmapPage / 8) return absl::OkStatus();
  return DamagedRow(Column::kBitmap, key, fmt::format("it has {} bytes", bits.size()));
}

absl::Status CheckDigestRow(const std::string& key, const std::string& value) {
  if (key.size() != kDigestKeyBytes) {
    return DamagedRow(Column::kDigests, key, "its key is malformed");
  }
  if (!value.empty() && value.size() % kDigestBytes == 0) return absl::OkStatus();
  return DamagedRow(Column::kDigests, key, fmt::format("it has {} bytes", value.size()));
}

// The ranges of set bits of a page whose first extent is `page_first`.
void VisitBits(uint64_t page_first, const std::string& bits,
               const CatalogReader::VisitCopied& visit) {
  uint64_t at = FindBit(bits, 0, true);
  while (at < kExtentsPerBitmapPage) {
    const uint64_t end = FindBit(bits, at, false);
    visit(page_first + at, end - at);
    at = FindBit(bits, end, true);
  }
}

}  // namespace

absl::StatusOr<std::vector<VolumeRecord>> CatalogReader::LoadVolumes() const {
  std::vector<VolumeRecord> records;
  const auto id_of = [](const VolumeRecord& record) { return record.id(); };
  BATON_RETURN_IF_ERROR(LoadRows(store_, Column::kVolumes, "", id_of, records));
  return records;
}

absl::StatusOr<std::vector<RelationRecord>> CatalogReader::LoadRelations() const {
  std::vector<RelationRecord> records;
  const auto id_of = [](const RelationRecord& record) { return record.id(); };
  BATON_RETURN_IF_ERROR(LoadRows(store_, Column::kRelations, "", id_of, records));
  return records;
}

absl::Status CatalogReader::LoadCopied(uint64_t run_id, const VisitCopied& visit) const {
  return LoadCopiedFrom(run_id, 0, std::numeric_limits<uint64_t>::max(), visit).status();
}

absl::StatusOr<std::optional<uint64_t>> CatalogReader::LoadCopiedFrom(
    uint64_t run_id, uint64_t first_extent, uint64_t max_pages, const VisitCopied& visit) const {
  absl::Status result;
  std::optional<uint64_t> next;
  uint64_t pages = 0;
  const auto visit_row = [&](const std::string& key, const std::string& bits) {
    result = CheckBitmapRow(key, bits);
    if (!result.ok()) return false;
    const uint64_t page_first = ReadBigEndian(key.substr(8)) * kExtentsPerBitmapPage;
    if (pages++ == max_pages) {
      next = page_first;
      return false;
    }
    VisitBits(page_first, bits, visit);
    return true;
  };
  const std::string first_key = KeyOf(run_id, first_extent / kExtentsPerBitmapPage, kPageBytes);
  BATON_RETURN_IF_ERROR(store_.ScanFrom(Column::kBitmap, KeyOf(run_id), first_key, visit_row));
  BATON_RETURN_IF_ERROR(result);
  return next;
}

absl::Status CatalogReader::ForEachDigestRun(
    uint64_t run_id,
    const std::function<bool(uint64_t first, std::span<const Digest>)>& visit) const {
  absl::Status result;
  std::vector<Digest> digests;
  const auto visit_row = [&](const std::string& key, const std::string& value) {
    result = CheckDigestRow(key, value);
    if (!result.ok()) return false;
    digests.resize(value.size() / kDigestBytes);
    std::memcpy(digests.data(), value.data(), value.size());
    return visit(ReadBigEndian(key.substr(8)), digests);
  };
  BATON_RETURN_IF_ERROR(store_.Scan(Column::kDigests, KeyOf(run_id), visit_row));
  return result;
}

absl::StatusOr<uint64_t> CatalogReader::LoadCopies(uint64_t run_id) const {
  BATON_ASSIGN_OR_RETURN(const std::optional<std::string> value,
                         store_.Get(Column::kSystem, CopiesKey(run_id)));
  if (!value.has_value()) return 0;
  if (value->size() != sizeof(uint64_t)) {
    return DamagedRow(Column::kSystem, CopiesKey(run_id),
                      fmt::format("it has {} bytes", value->size()));
  }
  return ReadBigEndian(*value);
}

absl::StatusOr<std::vector<Event>> CatalogReader::ListEvents(uint64_t after_sequence,
                                                             size_t limit) const {
  std::vector<Event> events;
  if (limit == 0 || after_sequence == std::numeric_limits<uint64_t>::max()) return events;
  const auto sequence_of = [](const Event& event) { return event.sequence(); };
  absl::Status result;
  BATON_RETURN_IF_ERROR(store_.ScanFrom(Column::kEvents, "", KeyOf(after_sequence + 1),
                                        [&](const std::string& key, const std::string& value) {
                                          result = ParseRow(Column::kEvents, key, value,
                                                            sequence_of, events.emplace_back());
                                          return result.ok() && events.size() < limit;
                                        }));
  BATON_RETURN_IF_ERROR(result);
  return events;
}

absl::StatusOr<uint64_t> CatalogReader::FirstEventFrom(uint64_t sequence) const {
  uint64_t first = 0;
  absl::Status result;
  BATON_RETURN_IF_ERROR(store_.ScanFrom(
      Column::kEvents, "", KeyOf(sequence), [&](const std::string& key, const std::string&) {
        if (key.size() != KeyOf(0).size()) {
          result = DamagedRow(Column::kEvents, key, "its key is malformed");
        }
        first = ReadBigEndian(key);
        return false;
      }));
  BATON_RETURN_IF_ERROR(result);
  return first;
}

// The store looks up the first key from one on, not the last one: steps that double until they go
// too far, and then the middle again and again. 100,000 events take some 40 looks.
absl::StatusOr<uint64_t> CatalogReader::LastEventAfter(uint64_t after_sequence) const {
  constexpr uint64_t kGreatest = std::numeric_limits<uint64_t>::max();
  uint64_t last = after_sequence;  // nothing is known beyond it
  uint64_t beyond = kGreatest;     // nothing is there from it on
  for (uint64_t step = 1; last < kGreatest - 1 && beyond - last > 1;) {
    const uint64_t probe = beyond == kGreatest ? last + std::min(step, kGreatest - 1 - last)
                                               : last + (beyond - last) / 2;
    BATON_ASSIGN_OR_RETURN(const uint64_t found, FirstEventFrom(probe));
    if (found == 0) {
      beyond = probe;
    } else {
      last = found;
      step *= 2;
    }
  }
  return last;
}

absl::StatusOr<uint64_t> CatalogReader::LoadEpoch() const { return LoadSystemNumber(kEpochKey); }

absl::StatusOr<uint64_t> CatalogReader::LoadTimesEpoch() const {
  return LoadSystemNumber(kTimesKey);
}

// 0 where there is none.
absl::StatusOr<uint64_t> CatalogReader::LoadSystemNumber(const char* key) const {
  BATON_ASSIGN_OR_RETURN(const std::optional<std::string> row, store_.Get(Column::kSystem, key));
  if (!row) return 0;
  if (row->size() != sizeof(uint64_t)) {
    return DamagedRow(Column::kSystem, key, "it is not 8 bytes long");
  }
  return ReadBigEndian(*row);
}

}  // namespace baton
