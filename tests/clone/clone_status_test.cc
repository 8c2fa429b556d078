#include "engine/clone/clone_status.h"

#include "tests/base/testing.h"

namespace baton {
namespace {

TEST(ChooseClone, TakesANumberOrTheNameOfATarget) {
  EXPECT_EQ(Must(ChooseClone("7", {.by_number = 7})), 7u);
  EXPECT_EQ(Must(ChooseClone("+7", {.by_number = 7})), 7u);
  EXPECT_EQ(Must(ChooseClone("disk", {.by_target = 9})), 9u);
  EXPECT_CODE(ChooseClone("7", {}), kNotFound);
  EXPECT_CODE(ChooseClone("+7", {}), kNotFound);
  EXPECT_CODE(ChooseClone("disk", {}), kNotFound);
}

TEST(ChooseClone, DoesNotGuessWhatANumberMeans) {
  EXPECT_CODE(ChooseClone("7", {.by_number = 7, .by_target = 9}), kInvalidArgument);
  EXPECT_CODE(ChooseClone("7", {.by_target = 9}), kInvalidArgument) << "7 may be deleted by now";
  EXPECT_CODE(ChooseClone("07", {.by_number = 7, .by_target = 9}), kInvalidArgument);
  EXPECT_EQ(Must(ChooseClone("7", {.by_number = 7, .by_target = 7})), 7u);
}

}  // namespace
}  // namespace baton
