// Extent arithmetic of one relation.
#pragma once

#include <algorithm>
#include <cstdint>

namespace baton {

// Consecutive extents [first, first + count).
struct ExtentSpan {
  uint64_t first = 0;
  uint64_t count = 0;
  uint64_t end() const { return first + count; }
};

// How a volume of `size_bytes` is divided. The last extent may be shorter.
struct Geometry {
  uint64_t size_bytes = 0;
  uint64_t extent_bytes = 1;

  uint64_t extents() const { return (size_bytes + extent_bytes - 1) / extent_bytes; }
  uint64_t OffsetOf(uint64_t extent) const { return extent * extent_bytes; }
  // Bytes of the extents of `span`; the volume may end inside its last one.
  uint64_t BytesOf(ExtentSpan span) const {
    return std::min(size_bytes, OffsetOf(span.end())) - OffsetOf(span.first);
  }
  // The extents that the bytes [offset, offset + length_bytes) touch; length_bytes > 0.
  ExtentSpan Touching(uint64_t offset, uint64_t length_bytes) const {
    const uint64_t first = offset / extent_bytes;
    return {first, (offset + length_bytes - 1) / extent_bytes - first + 1};
  }
};

}  // namespace baton
