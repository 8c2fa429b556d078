#include "engine/write_log/block_index.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <utility>

namespace baton {
namespace {

TEST(BlockIndex, TheNewerPlaceStays) {
  BlockIndex index(8);
  EXPECT_TRUE(index.Put(1, 5, {.file = 0, .sequence = 10, .block = 100}));
  EXPECT_FALSE(index.Put(1, 5, {.file = 0, .sequence = 9, .block = 90}));
  EXPECT_EQ(index.Find(1, 5)->block, 100u);
  EXPECT_FALSE(index.Put(1, 5, {.file = 1, .sequence = 1, .block = 7})) << "of a later file";
  EXPECT_EQ(index.Find(1, 5)->block, 7u);
  EXPECT_FALSE(index.Find(2, 5).has_value()) << "of another volume";
}

TEST(BlockIndex, OnlyThePlaceThatItHasIsErased) {
  BlockIndex index(8);
  (void)index.Put(1, 5, {.file = 0, .sequence = 10, .block = 100});
  EXPECT_FALSE(index.Erase(1, 5, {.file = 0, .sequence = 9, .block = 100}));
  EXPECT_TRUE(index.Erase(1, 5, {.file = 0, .sequence = 10, .block = 100}));
  EXPECT_FALSE(index.Find(1, 5).has_value());
}

TEST(BlockIndex, ARunIsOfOneEntryOrOfNone) {
  BlockIndex index(8);
  for (uint64_t i = 0; i < 3; ++i) (void)index.Put(1, 10 + i, {0, 7, 50 + i});
  (void)index.Put(1, 13, {0, 8, 53});
  EXPECT_EQ(index.RunFrom(1, 8, 100), (BlockIndex::Run{2, std::nullopt}));
  EXPECT_EQ(index.RunFrom(1, 10, 100), (BlockIndex::Run{3, LogPlace{0, 7, 50}}));
  EXPECT_EQ(index.RunFrom(1, 11, 1), (BlockIndex::Run{1, LogPlace{0, 7, 51}}));
  EXPECT_EQ(index.RunFrom(1, 13, 100), (BlockIndex::Run{1, LogPlace{0, 8, 53}}));
  EXPECT_EQ(index.RunFrom(1, 14, 5), (BlockIndex::Run{5, std::nullopt}));
  EXPECT_TRUE(index.HasAny(1, 8, 3));
  EXPECT_FALSE(index.HasAny(1, 8, 2));
  EXPECT_FALSE(index.HasAny(1, 14, 9));
}

// Against a map, with so many collisions that moving up after an erasure is what is tested.
TEST(BlockIndex, DoesWhatAMapDoes) {
  constexpr size_t kRoom = 64;
  std::mt19937_64 random(1);
  BlockIndex index(kRoom);
  std::map<std::pair<uint64_t, uint64_t>, LogPlace> model;
  for (uint64_t step = 1; step <= 200'000; ++step) {
    const std::pair<uint64_t, uint64_t> key = {random() % 3, random() % 100};
    const auto found = model.find(key);
    if (found != model.end() && random() % 2 == 0) {
      ASSERT_TRUE(index.Erase(key.first, key.second, found->second));
      model.erase(found);
    } else if (model.size() < kRoom || found != model.end()) {
      const LogPlace place = {0, step, random() % 1000};
      ASSERT_EQ(index.Put(key.first, key.second, place), found == model.end());
      model[key] = place;
    }
    const std::pair<uint64_t, uint64_t> other = {random() % 3, random() % 100};
    const auto expected = model.find(other);
    const std::optional<LogPlace> place = index.Find(other.first, other.second);
    ASSERT_EQ(place.has_value(), expected != model.end());
    ASSERT_TRUE(!place || *place == expected->second);
  }
}

}  // namespace
}  // namespace baton
