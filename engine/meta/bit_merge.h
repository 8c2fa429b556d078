// The bits of a bitmap row and how they are merged.
//
// A row (key: run id and page, see catalog.h) covers limits::kExtentsPerBitmapPage extents. A
// merge operand is a sequence of ranges, each {first: uint16 LE, last: uint16 LE}, both within the
// page and inclusive. The full value is the bitmap itself, 4,096 bytes, bit i of byte i / 8 at
// 1 << (i % 8).
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace baton {

// Appends the range [first, last] of one page to `operand`.
void AppendBitRange(uint32_t first, uint32_t last, std::string& operand);

// ORs the ranges of `operand` into `bits` (empty: all zeros; else 4,096 bytes). False when
// `operand` or `bits` is malformed; `bits` is then unchanged.
[[nodiscard]] bool OrBitRanges(std::string_view operand, std::string& bits);

}  // namespace baton
