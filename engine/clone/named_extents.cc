#include "engine/clone/named_extents.h"

#include <algorithm>

namespace baton {

std::vector<ExtentSpan> NamedExtents(std::span<const IntentSlot> slots, uint64_t run_id,
                                     const Bitmap& copied) {
  std::vector<uint64_t> extents;
  for (const IntentSlot& slot : slots) {
    if (slot.run_id != run_id) continue;
    for (uint64_t extent = slot.span.first; extent < slot.span.end(); ++extent) {
      if (extent < copied.bits() && !copied.Test(extent)) extents.push_back(extent);
    }
  }
  std::sort(extents.begin(), extents.end());
  extents.erase(std::unique(extents.begin(), extents.end()), extents.end());
  std::vector<ExtentSpan> spans;
  for (const uint64_t extent : extents) {
    if (!spans.empty() && spans.back().end() == extent) {
      ++spans.back().count;
    } else {
      spans.push_back({extent, 1});
    }
  }
  return spans;
}

}  // namespace baton
