// What is known of a file's data is never more than the file has.
#include "engine/clone/known_data.h"

#include <gtest/gtest.h>

#include <optional>

namespace baton {
namespace {

TEST(KnownDataTest, KnowsWhatItWasTold) {
  KnownData known;
  EXPECT_FALSE(known.Covers(0, 1));
  known.Add({100, 200}, known.Age());
  known.Add({300, 400}, known.Age());
  EXPECT_TRUE(known.Covers(100, 200));
  EXPECT_TRUE(known.Covers(350, 360));
  EXPECT_FALSE(known.Covers(99, 110));
  EXPECT_FALSE(known.Covers(190, 201));
  EXPECT_FALSE(known.Covers(150, 350)) << "between them is a hole";
}

TEST(KnownDataTest, OfManyRangesTheLastOnesAreKnown) {
  KnownData known;
  for (uint64_t i = 0; i < 100; ++i) known.Add({i * 10, i * 10 + 5}, known.Age());
  EXPECT_TRUE(known.Covers(990, 995));
  EXPECT_FALSE(known.Covers(0, 5));
}

TEST(KnownDataTest, KnowsNothingFromBeforeADiscard) {
  KnownData known;
  known.Add({0, 100}, known.Age());
  { const KnownData::Discard discard(known); }
  EXPECT_FALSE(known.Covers(0, 100));
  known.Add({0, 100}, known.Age());
  EXPECT_TRUE(known.Covers(0, 100));
  known.Forget();
  EXPECT_FALSE(known.Covers(0, 100));
}

TEST(KnownDataTest, BelievesNoAnswerThatADiscardMayHaveOvertaken) {
  KnownData known;
  const uint64_t before = known.Age();
  std::optional<KnownData::Discard> discard(known);
  known.Add({0, 100}, before);
  const uint64_t during = known.Age();
  known.Add({0, 100}, during);
  EXPECT_FALSE(known.Covers(0, 100)) << "the file may still lose it";
  discard.reset();
  known.Add({0, 100}, during);
  EXPECT_FALSE(known.Covers(0, 100));
}

TEST(KnownDataTest, BelievesAgainOnceTheLastDiscardIsOver) {
  KnownData known;
  std::optional<KnownData::Discard> first(known), second(known);
  first.reset();
  known.Add({0, 100}, known.Age());
  EXPECT_FALSE(known.Covers(0, 100));
  second.reset();
  known.Add({0, 100}, known.Age());
  EXPECT_TRUE(known.Covers(0, 100));
}

}  // namespace
}  // namespace baton
