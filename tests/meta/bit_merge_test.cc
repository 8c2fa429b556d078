#include "engine/meta/bit_merge.h"

#include <random>
#include <vector>

#include "engine/base/limits.h"
#include "tests/base/testing.h"

namespace baton {
namespace {

constexpr uint32_t kBits = limits::kExtentsPerBitmapPage;

std::string Range(uint32_t first, uint32_t last) {
  std::string operand;
  AppendBitRange(first, last, operand);
  return operand;
}

TEST(BitMergeTest, ARangeIsTwoLittleEndianNumbers) {
  EXPECT_EQ(Range(0x0102, 0x0304), std::string("\x02\x01\x04\x03"));
}

TEST(BitMergeTest, SetsExactlyTheBitsOfTheRanges) {
  std::mt19937 random(1);
  for (int round = 0; round < 300; ++round) {
    std::vector<bool> expected(kBits);
    std::string operand, bits;
    for (int i = 0; i < 5; ++i) {
      const uint32_t first = random() % kBits;
      const uint32_t last = std::min<uint32_t>(kBits - 1, first + random() % (i == 0 ? kBits : 20));
      AppendBitRange(first, last, operand);
      for (uint32_t bit = first; bit <= last; ++bit) expected[bit] = true;
    }
    ASSERT_TRUE(OrBitRanges(operand, bits));
    ASSERT_EQ(bits.size(), kBits / 8);
    for (uint32_t bit = 0; bit < kBits; ++bit) {
      ASSERT_EQ((bits[bit / 8] >> (bit % 8) & 1) != 0, expected[bit]) << round << " " << bit;
    }
  }
}

TEST(BitMergeTest, OneAfterTheOtherIsBothAtOnce) {
  std::string apart, at_once;
  ASSERT_TRUE(OrBitRanges(Range(3, 70), apart));
  ASSERT_TRUE(OrBitRanges(Range(50, 32767), apart));
  ASSERT_TRUE(OrBitRanges(Range(50, 32767) + Range(3, 70), at_once));
  EXPECT_EQ(apart, at_once);
}

TEST(BitMergeTest, NoRangeIsAllZeros) {
  std::string bits;
  ASSERT_TRUE(OrBitRanges("", bits));
  EXPECT_EQ(bits, std::string(kBits / 8, '\0'));
}

TEST(BitMergeTest, RefusesWhatIsMalformedAndChangesNothing) {
  for (const std::string& operand :
       {std::string("x"), Range(5, 4), Range(0, 32768), Range(1, 2) + "abc"}) {
    std::string bits(kBits / 8, 'q');
    EXPECT_FALSE(OrBitRanges(operand, bits));
    EXPECT_EQ(bits, std::string(kBits / 8, 'q'));
  }
  std::string short_bits = "abc";
  EXPECT_FALSE(OrBitRanges(Range(0, 1), short_bits));
  EXPECT_EQ(short_bits, "abc");
}

}  // namespace
}  // namespace baton
