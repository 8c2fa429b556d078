// The comparison of what the owner before has said with what is found.
#include "engine/feedback.h"

#include <gtest/gtest.h>

#include "tests/base/testing.h"

namespace baton {
namespace {

using testing::HasSubstr;

Residual Left(uint64_t id, uint64_t pending, uint64_t sequence = 100) {
  Residual residual;
  residual.set_id(id);
  residual.set_extents_pending(pending);
  residual.set_extents_residual(pending);
  residual.set_sequence(sequence);
  return residual;
}

void ExpectDifference(const std::vector<Residual>& said, const std::vector<Residual>& found,
                      const std::string& text) {
  const absl::Status status = CompareFeedback(said, found);
  EXPECT_CODE(status, kDataLoss);
  EXPECT_THAT(std::string(status.message()), HasSubstr(text));
  EXPECT_EQ(status.message().find('\n'), absl::string_view::npos);
}

TEST(Feedback, NothingSaidAndNothingFoundAgree) { EXPECT_OK(CompareFeedback({}, {})); }

TEST(Feedback, TheSamePendingExtentsAgreeInAnyOrder) {
  EXPECT_OK(CompareFeedback({Left(7, 3), Left(9, 0)}, {Left(9, 0, 130), Left(7, 3, 130)}));
}

TEST(Feedback, WhatWasLandingMustHaveLanded) {
  Residual said = Left(7, 3);
  said.set_extents_landing(2);
  EXPECT_OK(CompareFeedback({said}, {Left(7, 3)}));
  ExpectDifference({said}, {Left(7, 5)}, "clone 7: 3 extents were said to be pending, 5 are");
}

TEST(Feedback, FewerPendingExtentsAreADifferenceToo) {
  ExpectDifference({Left(7, 3)}, {Left(7, 2)}, "clone 7: 3 extents were said to be pending, 2 are");
}

// A copy that failed, whose data is in place all the same.
TEST(Feedback, ExtentsThatSlotsNameMayHaveBeenFoundCopied) {
  Residual said = Left(7, 30);
  said.set_extents_named(16);
  EXPECT_OK(CompareFeedback({said}, {Left(7, 14)}));
  EXPECT_OK(CompareFeedback({said}, {Left(7, 30)}));
  ExpectDifference({said}, {Left(7, 13)}, "clone 7: 30 extents were said to be pending, 13 are");
  ExpectDifference({said}, {Left(7, 31)}, "clone 7: 30 extents were said to be pending, 31 are");
}

TEST(Feedback, ASealLeavesNothingCopying) {
  Residual said = Left(7, 3);
  said.set_extents_copying(1);
  ExpectDifference({said}, {Left(7, 3)}, "clone 7: 1 extents were said to be copying");
}

TEST(Feedback, NothingIsUnderWayBeforeCopiersRun) {
  Residual found = Left(7, 3);
  found.set_extents_landing(1);
  ExpectDifference({Left(7, 3)}, {found}, "clone 7: 0 extents are copying and 1 landing");
}

TEST(Feedback, ACloneThatWasSaidMustBeThere) {
  ExpectDifference({Left(7, 3), Left(8, 1)}, {Left(7, 3)}, "clone 8: it was said to be running");
}

TEST(Feedback, ACloneThatIsThereMustHaveBeenSaid) {
  ExpectDifference({}, {Left(7, 3)}, "clone 7: it is running, unsaid");
}

TEST(Feedback, MetadataMayNotEndEarlier) {
  ExpectDifference({Left(7, 3, 100)}, {Left(7, 3, 99)}, "clone 7: the metadata reached write 100");
}

TEST(Feedback, AllDifferencesAreNamed) {
  const std::vector<Residual> said = {Left(7, 3), Left(8, 1)};
  ExpectDifference(said, {Left(7, 4), Left(8, 2)}, "clone 7: ");
  ExpectDifference(said, {Left(7, 4), Left(8, 2)}, "clone 8: ");
}

}  // namespace
}  // namespace baton
