// Commands are noted where a controller's role has them recorded.
#include "cli/batond/pool_role.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "tests/base/testing.h"

namespace baton {
namespace {

using testing::ElementsAre;

class RecordingRole final : public PoolRole {
 public:
  std::vector<std::string> recorded;

  absl::Status RecordEvent(const std::string& kind, const std::string& text) override {
    recorded.push_back(kind + ": " + text);
    return absl::OkStatus();
  }
  bool LogsEvents() const override { return true; }
  void Describe(control::ControllerStatus&) const override {}
  bool StorageFailed(const absl::Status&) override { return false; }
};

TEST(RoleSlotTest, RecordsNothingBeforeTheRoleIsKnown) {
  RoleSlot slot;
  EXPECT_EQ(slot.get(), nullptr);
  EXPECT_TRUE(absl::IsFailedPrecondition(slot.RecordEvent("command", "too early")));
  slot.NoteCommand("too early", true);
}

TEST(RoleSlotTest, RecordsWhatIsForTheEvents) {
  RecordingRole role;
  RoleSlot slot;
  slot.Set(role);
  EXPECT_OK(slot.RecordEvent("controller-stopped", "why"));
  slot.NoteCommand("volume create x", true);
  slot.NoteCommand("refused", false);
  EXPECT_THAT(role.recorded, ElementsAre("controller-stopped: why", "command: volume create x"));
}

}  // namespace
}  // namespace baton
