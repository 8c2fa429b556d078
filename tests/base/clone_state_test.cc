#include "engine/base/clone_state.h"

#include <gtest/gtest.h>

namespace baton {
namespace {

CloneStatus In(const std::string& state) {
  CloneStatus clone;
  clone.set_state(state);
  return clone;
}

// A contract: scripts compare these words.
TEST(CloneStates, AreReadAsTheyAreShown) {
  const std::pair<RelationState, const char*> states[] = {
      {CREATED, "created"},     {ACTIVATED, "activated"}, {COPYING, "copying"}, {PAUSED, "paused"},
      {COMPLETED, "completed"}, {STOPPED, "stopped"},     {FAILED, "failed"}};
  for (const auto& [state, name] : states) {
    EXPECT_EQ(Name(state), name);
    EXPECT_EQ(StateOf(In(name)), state);
  }
}

TEST(CloneStates, OfNoNameAreUnspecified) {
  for (const char* name : {"", "COPYING", "gone"}) {
    EXPECT_EQ(StateOf(In(name)), RELATION_STATE_UNSPECIFIED);
  }
}

}  // namespace
}  // namespace baton
