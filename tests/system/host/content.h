// What the blocks of a verified volume hold.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace baton::host {

constexpr size_t kBlockBytes = 4096;
constexpr size_t kWords = kBlockBytes / sizeof(uint64_t);

using Block = std::span<uint64_t, kWords>;
using ConstBlock = std::span<const uint64_t, kWords>;

// The content of a block after write `number` of its writer: a function of the three, so that a
// block tells which write it holds. 0: before the first write.
struct Content {
  uint64_t seed;

  // Writes with such numbers leave zeros.
  bool IsZero(uint64_t number) const;
  void Fill(Block block, uint64_t index, uint64_t number) const;
  bool Equals(ConstBlock block, uint64_t index, uint64_t number) const;
  // The number that the block claims to hold; 0 when it is zeros or anything else.
  uint64_t NumberIn(ConstBlock block) const;
};

bool IsZeros(ConstBlock block);

}  // namespace baton::host
