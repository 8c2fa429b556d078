#include "engine/meta/bit_merge.h"

#include "engine/base/limits.h"

namespace baton {
namespace {

constexpr size_t kRangeBytes = 4;
constexpr size_t kBitmapBytes = limits::kExtentsPerBitmapPage / 8;
static_assert(limits::kExtentsPerBitmapPage <= 65536, "a range holds 16-bit extents");

uint32_t Read16(std::string_view text, size_t at) {
  return static_cast<uint8_t>(text[at]) | static_cast<uint32_t>(static_cast<uint8_t>(text[at + 1]))
                                              << 8;
}

void Append16(uint32_t value, std::string& out) {
  out.push_back(static_cast<char>(value & 0xff));
  out.push_back(static_cast<char>(value >> 8 & 0xff));
}

bool IsWellFormed(std::string_view operand) {
  if (operand.size() % kRangeBytes != 0) return false;
  for (size_t at = 0; at < operand.size(); at += kRangeBytes) {
    const uint32_t last = Read16(operand, at + 2);
    if (Read16(operand, at) > last || last >= limits::kExtentsPerBitmapPage) return false;
  }
  return true;
}

void SetBits(uint32_t first, uint32_t last, std::string& bits) {
  uint32_t bit = first;
  while (bit <= last) {
    if (bit % 8 == 0 && bit + 7 <= last) {
      bits[bit / 8] = static_cast<char>(0xff);
      bit += 8;
    } else {
      bits[bit / 8] = static_cast<char>(bits[bit / 8] | 1 << (bit % 8));
      ++bit;
    }
  }
}

}  // namespace

void AppendBitRange(uint32_t first, uint32_t last, std::string& operand) {
  Append16(first, operand);
  Append16(last, operand);
}

bool OrBitRanges(std::string_view operand, std::string& bits) {
  if (!bits.empty() && bits.size() != kBitmapBytes) return false;
  if (!IsWellFormed(operand)) return false;
  bits.resize(kBitmapBytes, '\0');
  for (size_t at = 0; at < operand.size(); at += kRangeBytes) {
    SetBits(Read16(operand, at), Read16(operand, at + 2), bits);
  }
  return true;
}

}  // namespace baton
