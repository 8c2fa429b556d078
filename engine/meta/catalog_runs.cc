// What the catalog keeps of a run: the bits of its copied extents, and their digests.
#include <algorithm>

#include "engine/base/limits.h"
#include "engine/meta/bit_merge.h"
#include "engine/meta/catalog.h"
#include "engine/meta/table_keys.h"
#include "engine/meta/run_keys.h"

namespace baton {
namespace {

using limits::kExtentsPerBitmapPage;

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

void Catalog::PutDigests(MetaBatch& batch, uint64_t run_id, uint64_t first_extent,
                         std::span<const Digest> digests) const {
  if (digests.empty()) return;
  batch.Put(Column::kDigests, KeyOf(run_id, first_extent, kFirstBytes),
            std::string(reinterpret_cast<const char*>(digests.data()), digests.size_bytes()));
}

void Catalog::PutCopies(MetaBatch& batch, uint64_t run_id, uint64_t copies) const {
  batch.Put(Column::kSystem, CopiesKey(run_id), KeyOf(copies));
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
