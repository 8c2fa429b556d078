// What relations and volumes must be like for a command to begin.
#include "engine/clone/clone_checks.h"

#include <gtest/gtest.h>

#include "tests/clone/clone_bench.h"

namespace baton {
namespace {

class CloneChecksTest : public testing::Test {
 protected:
  void Run(const std::function<void(CloneBench&)>& body) {
    pool_.runtime().Run([&] {
      CloneBench bench(pool_);
      VolumeTable volumes;
      volumes.Insert(bench.copies.source);
      volumes.Insert(bench.copies.target);
      checks_ = std::make_unique<CloneChecks>(bench.gate, bench.table, volumes);
      body(bench);
      checks_.reset();
    });
  }
  RelationRecord Pair(const std::string& source, const std::string& target) {
    RelationRecord record;
    record.set_id(99);
    record.set_source(source);
    record.set_target(target);
    return record;
  }

  SimPool pool_;
  std::unique_ptr<CloneChecks> checks_;
};

TEST_F(CloneChecksTest, TheVolumesOfACloneDifferInNothingButTheirNames) {
  Run([&](CloneBench& bench) {
    EXPECT_EQ(Must(checks_->CheckVolumes("src", "dst", limits::kMinExtentBytes)),
              CloneBench::kSizeBytes);
    EXPECT_CODE(checks_->CheckVolumes("src", "src", limits::kMinExtentBytes), kInvalidArgument);
    EXPECT_CODE(checks_->CheckVolumes("src", "dst", 1), kInvalidArgument);
    EXPECT_CODE(checks_->CheckVolumes("src", "none", limits::kMinExtentBytes), kNotFound);
    bench.copies.source->importing = true;
    EXPECT_CODE(checks_->CheckVolumes("src", "dst", limits::kMinExtentBytes), kFailedPrecondition);
    bench.copies.source->importing = false;
  });
}

TEST_F(CloneChecksTest, WhatARelationHoldsNoOtherMayUse) {
  struct Case {
    RelationState state;
    bool holds_source, holds_target;
  };
  for (const Case& held :
       {Case{CREATED, false, false}, Case{ACTIVATED, true, true}, Case{COPYING, true, true},
        Case{PAUSED, true, true}, Case{COMPLETED, false, false}, Case{STOPPED, false, true},
        Case{FAILED, false, true}}) {
    SCOPED_TRACE(RelationState_Name(held.state));
    Run([&](CloneBench& bench) {
      const uint64_t id = bench.AddClone(held.state);
      const auto refused = [&](const std::string& source, const std::string& target) {
        return absl::IsFailedPrecondition(checks_->CheckPair(Pair(source, target)));
      };
      EXPECT_EQ(refused("other", "dst"), held.holds_target);
      EXPECT_EQ(refused("dst", "other"), held.holds_target);
      EXPECT_EQ(refused("other", "src"), held.holds_source);
      EXPECT_FALSE(refused("src", "other")) << "a source may have several targets";
      RelationRecord same = Pair("src", "dst");
      same.set_id(id);
      EXPECT_OK(checks_->CheckPair(same)) << "it is not in its own way";
    });
  }
}

TEST_F(CloneChecksTest, RelationsAreFoundForACommandThatTheirStatesAllow) {
  Run([&](CloneBench& bench) {
    const uint64_t id = bench.AddClone(STOPPED);
    EXPECT_EQ(Must(checks_->GetFor(Action::kActivate, id)).record.id(), id);
    EXPECT_CODE(checks_->GetFor(Action::kStart, id), kFailedPrecondition);
    EXPECT_CODE(checks_->GetFor(Action::kActivate, id + 1), kNotFound);
    EXPECT_CODE(checks_->GetFor(Action::kActivate, std::vector<uint64_t>{}), kInvalidArgument);
    EXPECT_EQ(Must(checks_->GetFor(Action::kActivate, std::vector<uint64_t>{id, id})).size(), 1u);
    bench.gate.Close(CloneLocks::Command(bench.locks));
    EXPECT_CODE(checks_->GetFor(Action::kActivate, id), kAborted);
    EXPECT_CODE(checks_->CheckServing(), kAborted);
  });
}

TEST_F(CloneChecksTest, WhatIsActivatedTogetherIsNotInEachOthersWay) {
  Run([&](CloneBench& bench) {
    const Relation first = Must(bench.table.Get(bench.AddClone(CREATED)));
    const Relation second = Must(bench.table.Get(bench.AddClone(CREATED)));
    EXPECT_OK(checks_->CheckActivation({first}));
    EXPECT_CODE(checks_->CheckActivation({first, second}), kFailedPrecondition)
        << "both have the same target";
    Relation back = second;
    back.record.set_source("dst");
    back.record.set_target("src");
    EXPECT_CODE(checks_->CheckActivation({first, back}), kFailedPrecondition)
        << "the target of one is the source of the other";
    ASSERT_TRUE(bench.copies.target->openings.Add());
    EXPECT_CODE(checks_->CheckActivation({first}), kFailedPrecondition) << "its target is open";
    bench.copies.target->openings.Drop();
    EXPECT_OK(checks_->CheckActivation({first}));
  });
}

}  // namespace
}  // namespace baton
