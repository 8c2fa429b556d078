// Who of all nodes holds what, through the facade.
#include "engine/host_locks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/engine/engine_pool.h"
#include "tests/engine/sim_engine.h"

namespace baton {
namespace {

FileLocks One(uint64_t first, uint64_t last, bool exclusive = true) {
  return {{.exclusive = exclusive, .first = first, .last = last, .owner = 1, .handle = 2, .pid = 3}};
}

class Locks : public EngineTest {
 protected:
  void SetUp() override {
    EngineTest::SetUp();
    MakeVolume("a");
    volume_ = Must(pool_->FindVolume("a")).id;
  }

  LockTeller Teller(const std::string& node) {
    return {.node = node, .boot_id = "boot", .order = ++order_};
  }
  // As each node does first.
  void Tell(const std::string& node, const FileLocks& locks = {}) {
    EXPECT_TRUE(
        Must(pool_->SetAllLocks(Teller(node), {{.volume_id = volume_, .locks = locks}})).empty());
  }
  // Whether it is granted.
  bool Set(const std::string& node, const FileLocks& locks) {
    return !Must(pool_->SetLocks(Teller(node), volume_, locks)).has_value();
  }

  uint64_t volume_ = 0;
  uint64_t order_ = 0;
};

TEST_F(Locks, OfOneNodeKeepOutTheOther) {
  Tell("x");
  Tell("y");
  EXPECT_TRUE(Set("x", One(0, 9)));
  EXPECT_FALSE(Set("y", One(9, 20)));
  EXPECT_TRUE(Set("y", One(10, 20)));
  EXPECT_EQ(pool_->FindLock("y", volume_, One(0, 0).front()), One(0, 9).front());
  EXPECT_THAT(Must(pool_->ShowVolume("a")).locked_by(), testing::ElementsAre("x", "y"));
  EXPECT_TRUE(Set("x", {}));
  EXPECT_TRUE(Set("y", One(0, 20)));
  EXPECT_THAT(Must(pool_->ShowVolume("a")).locked_by(), testing::ElementsAre("y"));
}

TEST_F(Locks, AreKnownToTheNextOwner) {
  Tell("x");
  EXPECT_TRUE(Set("x", One(0, 9)));
  pool_.Close();
  ASSERT_OK(pool_.Open());
  Tell("y");
  EXPECT_FALSE(Set("y", One(5, 5))) << "before its holder has told anything";
  Tell("x", One(0, 9));
  EXPECT_FALSE(Set("y", One(5, 5)));
}

TEST_F(Locks, OfAMountThatIsGoneEndWhenItsNodeTells) {
  Tell("x", One(0, 9));
  pool_.Close();
  ASSERT_OK(pool_.Open());
  Tell("x");
  Tell("y");
  EXPECT_TRUE(Set("y", One(0, 9)));
}

TEST_F(Locks, OfANodeThatIsGoneEnd) {
  Tell("x", One(0, 9));
  Tell("y");
  ASSERT_OK(pool_->DropLocks("x"));
  EXPECT_TRUE(Set("y", One(0, 9)));
  EXPECT_CODE(pool_->SetLocks(Teller("x"), volume_, {}).status(), kAborted);
  const std::vector<VolumeLocks> lost =
      Must(pool_->SetAllLocks(Teller("x"), {{.volume_id = volume_, .locks = One(5, 30)}}));
  ASSERT_EQ(lost.size(), 1u);
  EXPECT_EQ(lost.front().locks, One(5, 30));
  EXPECT_TRUE(Set("y", One(0, 40)));
}

TEST_F(Locks, OfNodesThatAreNoneOfThePoolEnd) {
  Tell("x", One(0, 9));
  Tell("y", One(20, 29));
  Tell("z", One(40, 49));
  ASSERT_OK(pool_->DropLocksOfOthers({"y", "w"}));
  EXPECT_THAT(Must(pool_->ShowVolume("a")).locked_by(), testing::ElementsAre("y"));
}

TEST_F(Locks, WhatComesLateCountsForNothing) {
  Tell("x");
  Tell("y");
  const LockTeller late = Teller("x");
  EXPECT_TRUE(Set("x", {}));
  EXPECT_CODE(pool_->SetLocks(late, volume_, One(0, 9)).status(), kAborted);
  EXPECT_CODE(pool_->SetAllLocks(late, {}).status(), kAborted);
  EXPECT_TRUE(Set("y", One(0, 9)));
}

TEST_F(Locks, OfANodeThatHasBootedAreToldAnew) {
  Tell("x", One(0, 9));
  EXPECT_CODE(pool_->SetLocks({.node = "x", .boot_id = "next boot", .order = 1}, volume_, {})
                  .status(),
              kAborted);
  ASSERT_OK(pool_->SetAllLocks({.node = "x", .boot_id = "next boot", .order = 1}, {}));
  Tell("y");
  EXPECT_TRUE(Set("y", One(0, 9)));
}

TEST_F(Locks, EndWithTheirVolume) {
  Tell("x", One(0, 9));
  ASSERT_OK(pool_->DeleteVolume("a"));
  EXPECT_CODE(pool_->SetLocks(Teller("x"), volume_, One(0, 9)).status(), kNotFound);
  EXPECT_EQ(pool_->FindLock("y", volume_, One(0, 9).front()), std::nullopt);
}

// What a program was told that it holds, the next owner knows, whatever was lost on the way.
TEST(LocksWithoutPower, AreKnownToTheNextOwner) {
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    SimEngine sim(seed);
    uint64_t volume = 0;
    sim.Run([&] {
      volume = Must(sim.engine->CreateVolume({.name = "a", .size_bytes = limits::kMiB})).id;
      ASSERT_OK(sim.engine->SetAllLocks({.node = "x", .boot_id = "b", .order = 1}, {}));
      const auto set = [&](uint64_t order, const FileLocks& locks) {
        return Must(
            sim.engine->SetLocks({.node = "x", .boot_id = "b", .order = order}, volume, locks));
      };
      EXPECT_EQ(set(2, One(0, 9)), std::nullopt);
      EXPECT_EQ(set(3, {}), std::nullopt);
      EXPECT_EQ(set(4, One(20, 29)), std::nullopt);
      sim.machine.steps().CrashNow(sim::CrashKind::kPower);
    });
    sim.machine.Restart();
    sim.machine.runtime().Run([&] {
      sim.Open();
      EXPECT_EQ(sim.engine->FindLock("y", volume, One(25, 25).front()), One(20, 29).front());
      EXPECT_EQ(sim.engine->FindLock("y", volume, One(0, 9).front()), std::nullopt);
      sim.engine.reset();
    });
  }
}

}  // namespace
}  // namespace baton
