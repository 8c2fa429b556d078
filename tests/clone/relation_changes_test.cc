// A change of records is checked, then durable, then visible; all of it or nothing.
#include "engine/clone/relation_changes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/clone/clone_bench.h"

namespace baton {
namespace {

using testing::Contains;
using testing::IsEmpty;
using testing::Not;
using Change = RelationChanges::Change;

class RelationChangesTest : public testing::Test {
 protected:
  void Run(const std::function<void(CloneBench&)>& body) {
    pool_.runtime().Run([&] {
      CloneBench bench(pool_);
      body(bench);
      pool_.machine.steps().ClearFaults();
    });
  }

  SimPool pool_;
};

TEST_F(RelationChangesTest, IsVisibleOnceItIsDurable) {
  Run([&](CloneBench& bench) {
    const uint64_t id = bench.AddClone(COPYING);
    {
      Change change(bench.changes);
      ASSERT_OK(change.Add(id, Action::kPause, [&](RelationRecord& record) {
        record.set_error("why");
        change.AddEvent(record, "paused", "was paused");
      }));
      EXPECT_EQ(bench.RecordOf(id).state(), COPYING) << "not yet";
      ASSERT_OK(change.Commit());
    }
    EXPECT_EQ(bench.RecordOf(id).state(), PAUSED);
    EXPECT_EQ(bench.StoredRecordOf(id).state(), PAUSED);
    EXPECT_EQ(bench.StoredRecordOf(id).error(), "why");
    EXPECT_THAT(bench.Events(), Contains("clone-paused"));
  });
}

TEST_F(RelationChangesTest, WhatIsDroppedOrRefusedChangesNothing) {
  Run([&](CloneBench& bench) {
    const uint64_t id = bench.AddClone(COPYING);
    {
      Change change(bench.changes);
      ASSERT_OK(change.Add(id, Action::kPause));
      (void)change.Create(RelationRecord(), [](RelationRecord&) {});
    }
    {
      Change change(bench.changes);
      EXPECT_CODE(change.Add(id, Action::kResume), kFailedPrecondition);
      EXPECT_CODE(change.Add(id + 1, Action::kPause), kNotFound);
      EXPECT_CODE(change.Set(id + 1, [](RelationRecord&) {}), kNotFound);
      ASSERT_OK(change.Commit());
    }
    EXPECT_EQ(bench.RecordOf(id).state(), COPYING);
    EXPECT_EQ(Must(bench.copies.catalog.LoadRelations()).size(), 1u);
  });
}

TEST_F(RelationChangesTest, ACommitThatFailsIsAFaultAndNothingOfItIsVisible) {
  Run([&](CloneBench& bench) {
    const uint64_t id = bench.AddClone(COPYING);
    FailNextCommit(pool_);
    {
      Change change(bench.changes);
      ASSERT_OK(change.Add(id, Action::kPause));
      const uint64_t other = change.Create(RelationRecord(), [](RelationRecord&) {});
      EXPECT_CODE(change.Commit(), kAborted);
      EXPECT_CODE(bench.table.Get(other), kNotFound);
    }
    EXPECT_EQ(bench.RecordOf(id).state(), COPYING);
    EXPECT_CODE(bench.copies.fault.Check(), kAborted);
    EXPECT_CODE(bench.gate.Check(), kAborted);
  });
}

// A clone whose copy met a sync that failed has not failed: the next owner goes on with it.
TEST_F(RelationChangesTest, AfterAFaultNothingIsRecorded) {
  Run([&](CloneBench& bench) {
    const uint64_t id = bench.AddRunning();
    const absl::Status why = absl::DataLossError("a sync failed");
    (void)bench.copies.fault.Report(why);
    EXPECT_CODE(bench.failures.Fail(id, why), kAborted);
    EXPECT_EQ(bench.RecordOf(id).state(), COPYING);
    EXPECT_EQ(bench.StoredRecordOf(id).state(), COPYING);
    EXPECT_TRUE(bench.failed.empty());
  });
}

TEST_F(RelationChangesTest, ANewRelationGetsANumberOfItsOwn) {
  Run([&](CloneBench& bench) {
    const uint64_t first = bench.AddClone(CREATED);
    const uint64_t second = bench.AddClone(CREATED);
    EXPECT_NE(first, second);
    EXPECT_EQ(bench.RecordOf(second).id(), second);
    EXPECT_EQ(bench.StoredRecordOf(second).id(), second);
  });
}

TEST_F(RelationChangesTest, WhatIsDeletedIsStillSeenUntilItIsErased) {
  Run([&](CloneBench& bench) {
    const uint64_t id = bench.AddClone(STOPPED);
    {
      Change change(bench.changes);
      change.Delete(bench.RecordOf(id));
      ASSERT_OK(change.Commit());
    }
    EXPECT_EQ(bench.StoredRecordOf(id).id(), 0u);
    EXPECT_OK(bench.table.Get(id));
  });
}

TEST_F(RelationChangesTest, OneAtATimeAlsoInsideACommand) {
  for (uint64_t seed = 1; seed <= 20 && !HasFailure(); ++seed) {
    SimPool pool(seed);
    pool.runtime().Run([&] {
      CloneBench bench(pool);
      int inside = 0;
      std::vector<std::unique_ptr<Thread>> threads;
      for (int i = 0; i < 3; ++i) {
        threads.push_back(pool.runtime().StartThread("change", [&, i] {
          std::optional<CloneLocks::Command> command;
          if (i == 0) command.emplace(bench.locks);
          const Change change(bench.changes);
          EXPECT_EQ(++inside, 1);
          pool.runtime().SleepFor(absl::Milliseconds(1));
          --inside;
        }));
      }
    });
  }
}

}  // namespace
}  // namespace baton
