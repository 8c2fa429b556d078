// What the catalog keeps of a run: the bits of its copied extents, and their digests.
#include <algorithm>
#include <cstring>
#include <optional>

#include "engine/base/limits.h"
#include "engine/base/status.h"
#include "engine/meta/bit_merge.h"
#include "engine/meta/catalog.h"
#include "engine/meta/keys.h"
#include "engine/meta/row_codec.h"

namespace baton {
namespace {

using limits::kExtentsPerBitmapPage;
constexpr int kPageBytes = 4;
constexpr size_t kBitmapKeyBytes = 8 + kPageBytes;
constexpr int kFirstBytes = 8;
constexpr size_t kDigestKeyBytes = 8 + kFirstBytes;
constexpr size_t kDigestBytes = sizeof(Digest);
static_assert(limits::kMaxVolumeBytes / limits::kMinExtentBytes / kExtentsPerBitmapPage <=
                  uint64_t{1} << (8 * kPageBytes),
              "every page has a number");

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

std::string CopiesKey(uint64_t run_id) { return "copies/" + KeyOf(run_id); }

}  // namespace

void Catalog::MarkCopied(MetaBatch& batch, uint64_t run_id, uint64_t first_extent,
                         uint64_t count) const {
  const uint64_t end = first_extent + count;
  while (first_extent < end) {
    const uint64_t page = first_extent / kExtentsPerBitmapPage;
    const uint64_t page_first = page * kExtentsPerBitmapPage;
    const uint64_t last = std::min(end, page_first + kExtentsPerBitmapPage) - 1;
    std::string operand;
    AppendBitRange(static_cast<uint32_t>(first_extent - page_first),
                   static_cast<uint32_t>(last - page_first), operand);
    batch.MergeBits(Column::kBitmap, KeyOf(run_id, page, kPageBytes), std::move(operand));
    first_extent = last + 1;
  }
}

absl::Status Catalog::LoadCopied(
    uint64_t run_id, const std::function<void(uint64_t first, uint64_t count)>& visit) const {
  absl::Status result;
  const auto visit_row = [&](const std::string& key, const std::string& bits) {
    result = CheckBitmapRow(key, bits);
    if (!result.ok()) return false;
    const uint64_t page_first = ReadBigEndian(key.substr(8)) * kExtentsPerBitmapPage;
    uint64_t at = FindBit(bits, 0, true);
    while (at < kExtentsPerBitmapPage) {
      const uint64_t end = FindBit(bits, at, false);
      visit(page_first + at, end - at);
      at = FindBit(bits, end, true);
    }
    return true;
  };
  BATON_RETURN_IF_ERROR(store_.Scan(Column::kBitmap, KeyOf(run_id), visit_row));
  return result;
}

void Catalog::PutDigests(MetaBatch& batch, uint64_t run_id, uint64_t first_extent,
                         std::span<const Digest> digests) const {
  if (digests.empty()) return;
  batch.Put(Column::kDigests, KeyOf(run_id, first_extent, kFirstBytes),
            std::string(reinterpret_cast<const char*>(digests.data()), digests.size_bytes()));
}

absl::Status Catalog::ForEachDigestRun(
    uint64_t run_id,
    const std::function<void(uint64_t first, std::span<const Digest>)>& visit) const {
  absl::Status result;
  std::vector<Digest> digests;
  const auto visit_row = [&](const std::string& key, const std::string& value) {
    result = CheckDigestRow(key, value);
    if (!result.ok()) return false;
    digests.resize(value.size() / kDigestBytes);
    std::memcpy(digests.data(), value.data(), value.size());
    visit(ReadBigEndian(key.substr(8)), digests);
    return true;
  };
  BATON_RETURN_IF_ERROR(store_.Scan(Column::kDigests, KeyOf(run_id), visit_row));
  return result;
}

void Catalog::PutCopies(MetaBatch& batch, uint64_t run_id, uint64_t copies) const {
  batch.Put(Column::kSystem, CopiesKey(run_id), KeyOf(copies));
}

absl::StatusOr<uint64_t> Catalog::LoadCopies(uint64_t run_id) const {
  BATON_ASSIGN_OR_RETURN(const std::optional<std::string> value,
                         store_.Get(Column::kSystem, CopiesKey(run_id)));
  if (!value.has_value()) return 0;
  if (value->size() != sizeof(uint64_t)) {
    return DamagedRow(Column::kSystem, CopiesKey(run_id),
                      fmt::format("it has {} bytes", value->size()));
  }
  return ReadBigEndian(*value);
}

void Catalog::DropBits(MetaBatch& batch, uint64_t run_id) const {
  batch.DeletePrefix(Column::kBitmap, KeyOf(run_id));
}

void Catalog::DropRun(MetaBatch& batch, uint64_t run_id) const {
  DropBits(batch, run_id);
  batch.DeletePrefix(Column::kDigests, KeyOf(run_id));
  batch.Delete(Column::kSystem, CopiesKey(run_id));
}

}  // namespace baton
