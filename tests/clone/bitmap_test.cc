#include "engine/clone/bitmap.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <thread>
#include <vector>

namespace baton {
namespace {

// The same in the most obvious way.
class PlainBits {
 public:
  explicit PlainBits(uint64_t bits) : bits_(bits) {}
  void Set(ExtentSpan span) {
    for (uint64_t bit = span.first; bit < span.end(); ++bit) bits_[bit] = true;
  }
  uint64_t Next(uint64_t from, uint64_t end, bool value) const {
    while (from < end && bits_[from] != value) ++from;
    return from;
  }
  bool AllSet(ExtentSpan span) const { return Next(span.first, span.end(), false) == span.end(); }
  uint64_t count() const { return std::count(bits_.begin(), bits_.end(), true); }
  bool Test(uint64_t bit) const { return bits_[bit]; }

 private:
  std::vector<bool> bits_;
};

ExtentSpan RandomSpan(std::mt19937_64& random, uint64_t bits) {
  const uint64_t first = random() % bits;
  return {first, random() % (bits - first + 1)};
}

class BitmapOfSize : public testing::TestWithParam<uint64_t> {};

TEST_P(BitmapOfSize, AnswersLikeAVectorOfBool) {
  const uint64_t bits = GetParam();
  std::mt19937_64 random(bits);
  for (int round = 0; round < 20; ++round) {
    Bitmap bitmap(bits);
    PlainBits plain(bits);
    for (int step = 0; step < 30; ++step) {
      ExtentSpan set = RandomSpan(random, bits);
      set.count = std::min<uint64_t>(set.count, 1 + random() % 90);
      bitmap.Set(set);
      plain.Set(set);
      ASSERT_EQ(bitmap.count(), plain.count());
      for (int look = 0; look < 20; ++look) {
        const ExtentSpan span = RandomSpan(random, bits);
        ASSERT_EQ(bitmap.AllSet(span), plain.AllSet(span)) << span.first << "+" << span.count;
        ASSERT_EQ(bitmap.NextClear(span.first, span.end()),
                  plain.Next(span.first, span.end(), false));
        ASSERT_EQ(bitmap.NextSet(span.first, span.end()), plain.Next(span.first, span.end(), true));
        ASSERT_EQ(bitmap.Test(span.first), plain.Test(span.first));
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Bits, BitmapOfSize, testing::Values(1, 2, 63, 64, 65, 127, 128, 129, 1000),
                         testing::PrintToStringParamName());

TEST(Bitmap, StartsClearAndEndsAllSet) {
  Bitmap bitmap(130);
  EXPECT_EQ(bitmap.NextSet(0, 130), 130u);
  EXPECT_FALSE(bitmap.AllSet({129, 1}));
  bitmap.Set({0, 130});
  EXPECT_EQ(bitmap.count(), 130u);
  EXPECT_TRUE(bitmap.AllSet({0, 130}));
  EXPECT_EQ(bitmap.NextClear(0, 130), 130u);
}

TEST(Bitmap, SettingABitTwiceCountsItOnce) {
  Bitmap bitmap(100);
  bitmap.Set({10, 60});
  bitmap.Set({10, 60});
  bitmap.Set({69, 2});
  EXPECT_EQ(bitmap.count(), 61u);
}

TEST(Bitmap, ThreadsThatSetBitsOfOneWordLoseNone) {
  constexpr uint64_t kBits = 64 * 64;
  Bitmap bitmap(kBits);
  std::vector<std::thread> threads;
  for (uint64_t offset = 0; offset < 4; ++offset) {
    threads.emplace_back([&bitmap, offset] {
      for (uint64_t bit = offset; bit < kBits; bit += 4) bitmap.Set({bit, 1});
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(bitmap.count(), kBits);
  EXPECT_TRUE(bitmap.AllSet({0, kBits}));
}

}  // namespace
}  // namespace baton
