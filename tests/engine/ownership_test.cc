// One process, or two nodes, that are owner and standby of one pool again and again.
#include <absl/time/clock.h>
#include <gtest/gtest.h>

#include "engine/feedback.h"
#include "engine/meta/pool_file.h"
#include "tests/base/temporary_directory.h"
#include "tests/engine/pool_node.h"

namespace baton {
namespace {

class Ownership : public testing::Test {
 protected:
  static constexpr uint64_t kExtent = limits::kMinExtentBytes;
  static constexpr uint64_t kExtents = 1024;
  static constexpr uint64_t kSize = kExtents * kExtent;
  static constexpr int kTurns = 10;

  Ownership() {
    SystemRuntime runtime;
    const std::unique_ptr<PosixStorage> storage = Must(PosixStorage::Open(directory_.path()));
    EXPECT_OK(InitPool(*storage, DURABILITY_NODE, runtime));
  }

  // Two volumes and a clone of them, started at a crawl.
  static uint64_t StartClone(PoolNode& node, const std::string& source, const std::string& target) {
    for (const std::string& name : {source, target}) {
      EXPECT_OK(node.engine().CreateVolume({.name = name, .size_bytes = kSize}));
    }
    EXPECT_OK(node.OpenByName(source)->Write(0, Pattern(kSize, 1)));
    CloneOptions options;
    options.source = source;
    options.target = target;
    options.extent_bytes = kExtent;
    options.rate_bytes_per_second = 1;
    const uint64_t id = Must(node.engine().CreateClone(options));
    EXPECT_OK(node.engine().ActivateClones({id}));
    EXPECT_OK(node.engine().StartClones({id}));
    return id;
  }
  // Copies something in the background and something for a host, and then next to nothing: what
  // follows may take long under a sanitizer.
  static void Work(PoolNode& node, uint64_t id, int turn) {
    node.engine().StartCopiers();
    const uint64_t before = Must(node.engine().ShowClone(id)).extents_copied();
    EXPECT_OK(node.OpenByName("src")->Write(static_cast<uint64_t>(turn) * 37 * kExtent,
                                            Pattern(3 * kExtent, 2)));
    EXPECT_OK(node.engine().SetCloneRate(id, 256 * kExtent));
    AwaitCopied(node, id, before + 20);
    EXPECT_OK(node.engine().SetCloneRate(id, 1));
  }
  static void AwaitCopied(PoolNode& node, uint64_t id, uint64_t extents) {
    const absl::Time deadline = absl::Now() + absl::Seconds(60);
    while (Must(node.engine().ShowClone(id)).extents_copied() < extents) {
      ASSERT_LT(absl::Now(), deadline);
      absl::SleepFor(absl::Milliseconds(1));
    }
  }
  static void ExpectExact(PoolNode& node, uint64_t id) {
    EXPECT_OK(node.engine().SetCloneRate(id, 0));
    AwaitCopied(node, id, kExtents);
    const absl::Time deadline = absl::Now() + absl::Seconds(60);
    while (Must(node.engine().ShowClone(id)).state() != "completed") {
      ASSERT_LT(absl::Now(), deadline);
      absl::SleepFor(absl::Milliseconds(1));
    }
    EXPECT_EQ(node.Content("dst"), Pattern(kSize, 1));
    EXPECT_EQ(Must(node.engine().ShowClone(id)).copies_total(), kExtents) << "nothing twice";
  }

  const TemporaryDirectory directory_;
};

TEST_F(Ownership, OneProcessOwnsThePoolTenTimes) {
  PoolNode node(directory_.path(), "a");
  node.Own();
  node.engine().StartCopiers();
  const uint64_t id = StartClone(node, "src", "dst");
  for (int turn = 0; turn < kTurns; ++turn) {
    Work(node, id, turn);
    EXPECT_TRUE(node.kill_timer_is_armed());
    const std::vector<Residual> said = node.GiveUp();
    EXPECT_FALSE(node.kill_timer_is_armed());
    ASSERT_EQ(said.size(), 1u);
    EXPECT_GT(said[0].sequence(), 0u);
    node.Own(node.gone());
    EXPECT_EQ(node.epoch(), static_cast<uint64_t>(turn) + 2);
    EXPECT_OK(CompareFeedback(said, node.Found()));
  }
  node.engine().StartCopiers();
  ExpectExact(node, id);
}

TEST_F(Ownership, TwoNodesTakeTurnsAndEachFollowsTheOther) {
  PoolNode a(directory_.path(), "a");
  PoolNode b(directory_.path(), "b");
  a.Own();
  a.engine().StartCopiers();
  b.Follow();
  const uint64_t id = StartClone(a, "src", "dst");
  PoolNode* owner = &a;
  PoolNode* standby = &b;
  for (int turn = 0; turn < kTurns; ++turn) {
    Work(*owner, id, turn);
    EXPECT_OK(standby->view().RegisterClone(id));
    const std::string number = std::to_string(turn);
    const uint64_t other = StartClone(*owner, "src" + number, "dst" + number);
    EXPECT_OK(owner->engine().PauseClone(other));
    EXPECT_OK(owner->engine().PauseClone(id));
    ExpectSameView(*owner, *standby);
    EXPECT_OK(owner->engine().ResumeClone(id));
    const std::vector<Residual> said = owner->GiveUp();
    standby->Own(owner->gone());
    EXPECT_OK(CompareFeedback(said, standby->Found()));
    std::swap(owner, standby);
  }
  ASSERT_NO_FATAL_FAILURE(ExpectSameView(*owner, *standby));
  owner->engine().StartCopiers();
  ExpectExact(*owner, id);
  ExpectSameView(*owner, *standby);
}

TEST_F(Ownership, HeldCopiersCopyNothingAndHostWritesArePreserved) {
  PoolNode node(directory_.path(), "a");
  node.Own();
  const uint64_t id = StartClone(node, "src", "dst");
  EXPECT_OK(node.engine().SetCloneRate(id, 0));
  EXPECT_OK(node.OpenByName("src")->Write(0, Pattern(5 * kExtent, 2)));
  absl::SleepFor(absl::Milliseconds(100));
  EXPECT_EQ(Must(node.engine().ShowClone(id)).copies_total(), 5u);
  node.engine().StartCopiers();
  node.engine().StartCopiers();
  ExpectExact(node, id);
}

TEST_F(Ownership, AnEngineWithHeldCopiersCanBeSealed) {
  PoolNode node(directory_.path(), "a");
  node.Own();
  StartClone(node, "src", "dst");
  const std::vector<Residual> said = node.GiveUp();
  ASSERT_EQ(said.size(), 1u);
  EXPECT_EQ(said[0].extents_pending(), kExtents);
}

}  // namespace
}  // namespace baton
