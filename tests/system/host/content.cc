#include "tests/system/host/content.h"

#include <algorithm>

namespace baton::host {
namespace {

constexpr uint64_t kMagic = 0x4e4f544142544553;
constexpr uint64_t kZeroShare = 16;  // one write in so many leaves zeros

// SplitMix64.
uint64_t Mix(uint64_t value) {
  value += 0x9e3779b97f4a7c15;
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9;
  value = (value ^ (value >> 27)) * 0x94d049bb133111eb;
  return value ^ (value >> 31);
}

}  // namespace

bool Content::IsZero(uint64_t number) const {
  return number == 0 || Mix(seed ^ Mix(number)) % kZeroShare == 0;
}

void Content::Fill(Block block, uint64_t index, uint64_t number) const {
  if (IsZero(number)) {
    std::ranges::fill(block, 0);
    return;
  }
  const uint64_t base = Mix(seed ^ Mix(index) ^ Mix(~number));
  for (size_t word = 2; word < kWords; ++word) block[word] = base + word * 0x9e3779b97f4a7c15;
  block[0] = kMagic ^ seed;
  block[1] = number;
}

bool Content::Equals(ConstBlock block, uint64_t index, uint64_t number) const {
  uint64_t expected[kWords];
  Fill(Block(expected), index, number);
  return std::ranges::equal(block, expected);
}

uint64_t Content::NumberIn(ConstBlock block) const {
  return block[0] == (kMagic ^ seed) ? block[1] : 0;
}

bool IsZeros(ConstBlock block) {
  return std::ranges::all_of(block, [](uint64_t word) { return word == 0; });
}

}  // namespace baton::host
