// The table of states, written down once more as a picture: whoever changes one changes both.
#include "engine/clone/state.h"

#include <gtest/gtest.h>

#include <sstream>
#include <string>
#include <vector>

#include "tests/base/testing.h"

namespace baton {
namespace {

constexpr Action kActions[] = {Action::kActivate, Action::kStart,    Action::kPause,
                               Action::kResume,   Action::kStop,     Action::kDelete,
                               Action::kVerify,   Action::kComplete, Action::kFail};
constexpr RelationState kStates[] = {CREATED,   ACTIVATED, COPYING, PAUSED,
                                     COMPLETED, STOPPED,   FAILED};

// The state after, or "-" where it is refused.
constexpr char kTable[] = R"(
           created   activated copying   paused    completed stopped   failed
activate   activated -         -         -         -         activated activated
start      -         copying   -         -         -         -         -
pause      -         -         paused    -         -         -         -
resume     -         -         -         copying   -         -         -
stop       -         stopped   stopped   stopped   -         -         -
delete     created   -         -         -         completed stopped   failed
verify     -         -         -         -         completed -         -
complete   -         -         completed -         -         -         -
fail       -         failed    failed    failed    -         -         -
)";

RelationRecord RecordIn(RelationState state) {
  RelationRecord record;
  record.set_id(7);
  record.set_source("src");
  record.set_target("dst");
  record.set_state(state);
  return record;
}

std::string Answer(Action action, RelationState state) {
  if (!CheckAllowed(action, RecordIn(state)).ok()) return "-";
  return Name(StateAfter(action, state));
}

TEST(State, EveryActionInEveryStateIsAsInTheTable) {
  std::istringstream lines(kTable);
  std::string line;
  std::getline(lines, line);
  std::getline(lines, line);
  std::istringstream head(line);
  for (const RelationState state : kStates) {
    std::string name;
    head >> name;
    EXPECT_EQ(name, Name(state));
  }
  for (const Action action : kActions) {
    ASSERT_TRUE(std::getline(lines, line));
    std::istringstream row(line);
    std::string expected;
    row >> expected;
    EXPECT_EQ(expected, Name(action));
    for (const RelationState state : kStates) {
      row >> expected;
      EXPECT_EQ(expected, Answer(action, state)) << Name(action) << " when " << Name(state);
    }
  }
}

TEST(State, ARefusalNamesTheStatesThatAllowIt) {
  const absl::Status refused = CheckAllowed(Action::kStop, RecordIn(CREATED));
  EXPECT_CODE(refused, kFailedPrecondition);
  EXPECT_EQ(refused.message(),
            "cannot stop clone 7 (src -> dst): it is created, and stop needs: activated, copying, "
            "paused");
}

TEST(State, EveryRefusalIsOneLineWithTheStateAndTheCommand) {
  for (const Action action : kActions) {
    for (const RelationState state : kStates) {
      const absl::Status status = CheckAllowed(action, RecordIn(state));
      if (status.ok()) continue;
      const std::string message(status.message());
      EXPECT_EQ(message.find('\n'), std::string::npos);
      EXPECT_NE(message.find("cannot " + Name(action)), std::string::npos) << message;
      EXPECT_NE(message.find("it is " + Name(state)), std::string::npos) << message;
    }
  }
}

TEST(State, AnUnknownStateOfARecordAllowsNothing) {
  for (const Action action : kActions) {
    EXPECT_CODE(CheckAllowed(action, RecordIn(RELATION_STATE_UNSPECIFIED)), kFailedPrecondition);
  }
}

// What each state means for hosts and for other clones.
TEST(State, GroupsOfStates) {
  struct Row {
    RelationState state;
    bool running, target_offline, active;
  };
  constexpr Row kRows[] = {
      {CREATED, false, false, false},   {ACTIVATED, false, true, true},
      {COPYING, true, false, true},     {PAUSED, true, false, true},
      {COMPLETED, false, false, false}, {STOPPED, false, true, false},
      {FAILED, false, true, false},
  };
  for (const Row& row : kRows) {
    EXPECT_EQ(IsRunning(row.state), row.running) << Name(row.state);
    EXPECT_EQ(IsTargetOffline(row.state), row.target_offline) << Name(row.state);
    EXPECT_EQ(IsActive(row.state), row.active) << Name(row.state);
  }
}

}  // namespace
}  // namespace baton
