// What is left of a clone, whatever state its extents are in.
#include "engine/clone/residuals.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/clone/clone_queries.h"
#include "engine/clone/run_factory.h"
#include "tests/clone/clone_bench.h"

namespace baton {
namespace {

using testing::IsEmpty;

class ResidualsTest : public testing::Test {
 protected:
  // `body` gets a clone that is copying: six extents.
  void Run(const std::function<void(CloneBench&, CopyPipeline&, Relation)>& body) {
    pool_.runtime().Run([&] {
      CloneBench bench(pool_);
      VolumeTable volumes;
      volumes.Insert(bench.copies.source);
      volumes.Insert(bench.copies.target);
      std::unique_ptr<IntentLog> log = Must(IntentLog::Open(pool_.storage(), pool_.runtime(), 1));
      CopyPipeline pipeline(pool_.runtime(), pool_.storage(), bench.copies.fence,
                            bench.copies.fault, bench.copies.catalog, std::move(log),
                            {.buffers = 2, .buffer_bytes = 4 * kBlock},
                            [](uint64_t, const absl::Status& why) { return why; });
      RelationRecord record = bench.RecordOf(bench.AddClone(COPYING));
      record.set_run_id(11);
      Relation relation{record, RunFactory(pipeline.services(), volumes).Make(record)};
      relation.run->SetPhase(CloneRun::Phase::kActive);
      body(bench, pipeline, relation);
      relation.run->SetPhase(CloneRun::Phase::kOver);
      pipeline.Stop();  // it may still be at work for the run
    });
  }
  using Runs = std::vector<std::pair<uint64_t, uint64_t>>;
  Runs RunsOf(const google::protobuf::RepeatedPtrField<ExtentRun>& runs) {
    Runs all;
    for (const ExtentRun& run : runs) all.emplace_back(run.first(), run.count());
    return all;
  }

  SimPool pool_;
};

TEST_F(ResidualsTest, EveryExtentIsInOneStateUntilItsBitIsDurable) {
  Run([&](CloneBench& bench, CopyPipeline& pipeline, const Relation& relation) {
    const Residuals residuals(bench.copies.catalog, pipeline);
    ASSERT_OK(relation.run->Preserve({1, 2}));
    ASSERT_OK(relation.run->Preserve({4, 1}));
    Residual residual = residuals.Of(relation, true);
    EXPECT_EQ(residual.extents_residual(), 6u);
    EXPECT_EQ(residual.bytes_residual(), CloneBench::kSizeBytes);
    EXPECT_EQ(residual.extents_landing(), 3u);
    EXPECT_EQ(residual.extents_copying(), 0u);
    EXPECT_EQ(residual.extents_pending(), 3u);
    EXPECT_EQ(RunsOf(residual.landing()), (Runs{{1, 2}, {4, 1}}));
    EXPECT_EQ(RunsOf(residual.pending()), (Runs{{0, 1}, {3, 1}, {5, 1}}));
    EXPECT_THAT(residuals.Of(relation, false).pending(), IsEmpty());

    pipeline.Stop();
    EXPECT_EQ(relation.run->progress().recorded, 3u) << "what was in the log has landed";
    residual = residuals.Of(relation, true);
    EXPECT_EQ(residual.extents_residual(), 3u);
    EXPECT_EQ(residual.bytes_residual(), 3 * CloneBench::kExtentBytes);
    EXPECT_EQ(residual.extents_landing(), 0u);
    EXPECT_THAT(residual.landing(), IsEmpty());
    EXPECT_EQ(bench.copies.Content(*bench.copies.target)[CloneBench::kExtentBytes],
              Pattern(CloneBench::kSizeBytes, 1)[CloneBench::kExtentBytes]);
  });
}

TEST_F(ResidualsTest, WithoutARunNothingIsCopiedOrAllIs) {
  Run([&](CloneBench& bench, CopyPipeline& pipeline, Relation relation) {
    const Residuals residuals(bench.copies.catalog, pipeline);
    relation.run = nullptr;
    relation.record.set_state(CREATED);
    EXPECT_EQ(residuals.Of(relation, false).extents_pending(), 6u);
    EXPECT_EQ(RunsOf(residuals.Of(relation, true).pending()), (Runs{{0, 6}}));
    EXPECT_EQ(residuals.Of(relation, false).bytes_residual(), CloneBench::kSizeBytes);
    relation.record.set_state(COMPLETED);
    EXPECT_EQ(residuals.Of(relation, true).extents_residual(), 0u);
    EXPECT_EQ(residuals.Of(relation, true).id(), relation.record.id());
  });
}

TEST_F(ResidualsTest, QueriesShowEachCloneOfTheTable) {
  Run([&](CloneBench& bench, CopyPipeline& pipeline, const Relation& relation) {
    const Residuals residuals(bench.copies.catalog, pipeline);
    const CloneQueries queries(bench.table, residuals);
    const uint64_t id = relation.record.id();
    bench.table.Publish(CloneLocks::Change(bench.locks), {relation.record});
    bench.table.SetRun(CloneLocks::Command(bench.locks), id, relation.run);
    const uint64_t other = bench.AddClone(CREATED);
    ASSERT_OK(relation.run->Preserve({1, 2}));
    const std::vector<CloneStatus> all = queries.List();
    ASSERT_EQ(all.size(), 2u);
    EXPECT_EQ(all[0].id(), id);
    EXPECT_EQ(all[0].extents_landing(), 2u);
    EXPECT_EQ(all[0].copies_total(), 2u);
    EXPECT_EQ(Must(queries.Show(other)).extents_pending(), 6u);
    EXPECT_EQ(Must(queries.ShowResidual(id, true)).landing_size(), 1);
    EXPECT_CODE(queries.Show(other + 1), kNotFound);
    EXPECT_CODE(queries.ShowResidual(other + 1, false), kNotFound);
    bench.table.SetRun(CloneLocks::Command(bench.locks), id, nullptr);
  });
}

}  // namespace
}  // namespace baton
