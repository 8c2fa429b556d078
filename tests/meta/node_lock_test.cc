#include "engine/lease/node_lock.h"

#include <filesystem>

#include "engine/meta/node_identity.h"
#include "tests/base/temporary_directory.h"
#include "tests/base/testing.h"
#include "tests/meta/child_process.h"

namespace baton {
namespace {

using testing::HasSubstr;

class NodeLockTest : public testing::Test {
 protected:
  NodeLockTest() { std::filesystem::create_directory(pool_.path() + "/lease"); }
  TemporaryDirectory pool_;
};

TEST_F(NodeLockTest, IsHeldByOneAtATimeAndTheOtherIsToldWhoHasIt) {
  const NodeLock lock = Must(NodeLock::Take(pool_.path(), "node-a"));
  const absl::Status status = NodeLock::Take(pool_.path(), "node-a").status();
  EXPECT_CODE(status, kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("in use by process " + std::to_string(::getpid())));
}

TEST_F(NodeLockTest, IsFreeAgainWhenItsHolderLetsGo) {
  for (int i = 0; i < 3; ++i) EXPECT_OK(NodeLock::Take(pool_.path(), "node-a"));
  EXPECT_EQ(std::filesystem::file_size(pool_.path() + "/lease/node-a.lock"), 0U);
}

TEST_F(NodeLockTest, IsFreeAgainWhenItsHolderIsKilled) {
  ChildProcess child("TakeNodeLockAndDie", {pool_.path(), "node-a"});
  const int status = child.Wait();
  ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
  EXPECT_OK(NodeLock::Take(pool_.path(), "node-a"));
}

TEST_F(NodeLockTest, EveryNodeHasItsOwn) {
  const NodeLock lock = Must(NodeLock::Take(pool_.path(), "node-a"));
  EXPECT_OK(NodeLock::Take(pool_.path(), "node-b"));
}

TEST_F(NodeLockTest, ABadNameIsRefused) {
  EXPECT_CODE(NodeLock::Take(pool_.path(), "../evil"), kInvalidArgument);
}

TEST(NodeIdentityTest, ProcessesOfOneBootDifferByTheirInstance) {
  const NodeIdentity one = Must(MakeNodeIdentity("a"));
  const NodeIdentity other = Must(MakeNodeIdentity("a"));
  EXPECT_EQ(one.boot_id.size(), 36U);
  EXPECT_EQ(one.boot_id, other.boot_id);
  EXPECT_NE(one.instance, other.instance);
  EXPECT_THAT(one.instance,
              testing::MatchesRegex("[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-"
                                    "[0-9a-f]{12}"));
}

}  // namespace

void TakeNodeLockAndDie(const Arguments& arguments) {
  const auto lock = NodeLock::Take(arguments.at(0), arguments.at(1));
  if (lock.ok()) ::raise(SIGKILL);
}

}  // namespace baton
