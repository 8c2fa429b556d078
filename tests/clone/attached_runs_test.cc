// What stands in the paths of a clone's volumes and at the copier.
#include "engine/clone/attached_runs.h"

#include <gtest/gtest.h>

#include "tests/clone/clone_bench.h"

namespace baton {
namespace {

constexpr uint64_t kNumber = 7;

class AttachedRunsTest : public testing::Test {
 protected:
  void Run(const std::function<void(CloneBench&, const CloneLocks::Command&)>& body) {
    pool_.runtime().Run([&] {
      CloneBench bench(pool_);
      const CloneLocks::Command command(bench.locks);
      body(bench, command);
      pool_.machine.steps().ClearFaults();
    });
  }
  std::shared_ptr<CloneRun> ActiveRun(CloneBench& bench, uint64_t run_id) {
    std::shared_ptr<CloneRun> run =
        bench.copies.MakeRun({.run_id = run_id, .geometry = bench.copies.geometry});
    run->SetPhase(CloneRun::Phase::kActive);
    return run;
  }
  // What a host reads of the target's first block.
  absl::StatusOr<std::vector<std::byte>> ReadTarget(CloneBench& bench) {
    std::vector<std::byte> out(kBlock);
    BATON_RETURN_IF_ERROR(bench.copies.target->path.Read(0, out));
    return out;
  }
  std::vector<std::byte> T0() {
    std::vector<std::byte> block = Pattern(CloneBench::kSizeBytes, 1);
    block.resize(kBlock);
    return block;
  }

  SimPool pool_;
};

TEST_F(AttachedRunsTest, TheTargetShowsTheRunFromShowViewToRemove) {
  Run([&](CloneBench& bench, const CloneLocks::Command& command) {
    EXPECT_OK(ReadTarget(bench));
    bench.runs.ShowView(command, kNumber, bench.copies.run);
    EXPECT_CODE(ReadTarget(bench), kFailedPrecondition) << "offline before T0";
    bench.copies.run->SetPhase(CloneRun::Phase::kActive);
    EXPECT_EQ(Must(ReadTarget(bench)), T0());
    bench.runs.Remove(command, kNumber);
    EXPECT_EQ(Must(ReadTarget(bench)), std::vector<std::byte>(kBlock));
    bench.runs.Remove(command, kNumber);
  });
}

TEST_F(AttachedRunsTest, AViewThatIsWithdrawnLeavesTheOneBefore) {
  Run([&](CloneBench& bench, const CloneLocks::Command& command) {
    bench.runs.ShowView(command, kNumber, bench.copies.run);
    bench.runs.WithdrawView(command, kNumber);
    EXPECT_OK(ReadTarget(bench));
    EXPECT_OK(bench.runs.Detach(command, kNumber)) << "nothing is left of it";

    bench.copies.run->SetPhase(CloneRun::Phase::kOver);
    bench.runs.ShowView(command, kNumber, bench.copies.run);
    bench.runs.ShowView(command, kNumber, ActiveRun(bench, 11));
    bench.runs.WithdrawView(command, kNumber);
    EXPECT_CODE(ReadTarget(bench), kFailedPrecondition) << "the first one is there";
  });
}

TEST_F(AttachedRunsTest, TheViewOfAnEarlierRunStaysUntilItIsDropped) {
  Run([&](CloneBench& bench, const CloneLocks::Command& command) {
    bench.copies.run->SetPhase(CloneRun::Phase::kOver);
    bench.runs.ShowView(command, kNumber, bench.copies.run);
    bench.runs.ShowView(command, kNumber, ActiveRun(bench, 11));
    std::vector<std::byte> out(kBlock);
    // The new one reads the source for what is pending: only a write goes past both.
    EXPECT_CODE(bench.copies.target->path.Write(0, out), kFailedPrecondition);
    bench.runs.DropEarlierView(command, kNumber);
    EXPECT_OK(bench.copies.target->path.Write(0, out));
    bench.runs.Remove(command, kNumber);
  });
}

TEST_F(AttachedRunsTest, WhatHostsOverwriteIsPreservedUntilTheRunIsDetached) {
  Run([&](CloneBench& bench, const CloneLocks::Command& command) {
    const std::shared_ptr<CloneRun> run = ActiveRun(bench, 10);
    bench.runs.ShowView(command, kNumber, run);
    const auto overwrite = [&](uint64_t extent) {
      return bench.copies.source->path.Write(extent * CloneBench::kExtentBytes, Pattern(kBlock, 9));
    };
    ASSERT_OK(overwrite(1));
    EXPECT_EQ(run->copied().count(), 0u) << "not yet";
    bench.runs.Preserve(command, kNumber);
    ASSERT_OK(overwrite(2));
    EXPECT_TRUE(run->copied().Test(2));
    run->SetPhase(CloneRun::Phase::kOver);
    EXPECT_OK(bench.runs.Detach(command, kNumber));
    EXPECT_EQ(run->progress().landing, 0u) << "what is in flight has landed";
    EXPECT_TRUE(bench.copies.IsRecorded(2));
    run->SetPhase(CloneRun::Phase::kActive);
    ASSERT_OK(overwrite(3));
    EXPECT_FALSE(run->copied().Test(3)) << "the plugin is off the source";
    EXPECT_OK(bench.runs.Detach(command, kNumber)) << "and again";
    bench.runs.Remove(command, kNumber);
  });
}

TEST_F(AttachedRunsTest, WhoDecidesIsAskedWhenAWriteCannotBePreserved) {
  Run([&](CloneBench& bench, const CloneLocks::Command& command) {
    uint64_t asked = 0;
    AttachedRuns runs(bench.copier, bench.redirects, [&](uint64_t id, const absl::Status& why) {
      asked = id;
      EXPECT_CODE(why, kResourceExhausted);
      return absl::ResourceExhaustedError("the host's error");
    });
    const std::shared_ptr<CloneRun> run = ActiveRun(bench, 10);
    runs.ShowView(command, kNumber, run);
    runs.Preserve(command, kNumber);
    pool_.machine.steps().Inject(
        {.matches = [](const sim::Operation& operation) { return operation.path == "intents"; },
         .status = absl::ResourceExhaustedError("full")});
    EXPECT_CODE(bench.copies.source->path.Write(0, Pattern(kBlock, 9)), kResourceExhausted);
    EXPECT_EQ(asked, kNumber);
    run->SetPhase(CloneRun::Phase::kOver);
    runs.Remove(command, kNumber);
  });
}

TEST_F(AttachedRunsTest, TheCopierWorksOnTheRunFromStartJobToStopJob) {
  Run([&](CloneBench& bench, const CloneLocks::Command& command) {
    const std::shared_ptr<CloneRun> run = ActiveRun(bench, 10);
    bench.runs.ShowView(command, kNumber, run);
    bench.runs.StartJob(command, kNumber,
                        {.bytes_per_second = CloneBench::kExtentBytes});  // one extent a second
    pool_.runtime().SleepFor(absl::Milliseconds(1500));
    const uint64_t copied = run->copied().count();
    EXPECT_GT(copied, 0u);
    EXPECT_LT(copied, 6u);
    bench.runs.StopJob(command, kNumber);
    pool_.runtime().SleepFor(absl::Seconds(10));
    EXPECT_EQ(run->copied().count(), copied);
    bench.runs.StartJob(command, kNumber, {.bytes_per_second = CloneBench::kExtentBytes});
    bench.runs.SetRate(command, kNumber, 0);
    pool_.runtime().SleepFor(absl::Seconds(1));
    EXPECT_EQ(run->copied().count(), 6u);
    ASSERT_EQ(bench.finished.size(), 1u);
    EXPECT_OK(bench.finished[0].second);
    const CopyJob* const job = bench.finished[0].first.get();
    EXPECT_TRUE(bench.runs.HasJob(command, kNumber, job));
    EXPECT_FALSE(bench.runs.HasJob(command, kNumber + 1, job));
    bench.runs.StopJob(command, kNumber);
    EXPECT_FALSE(bench.runs.HasJob(command, kNumber, job));
    run->SetPhase(CloneRun::Phase::kOver);
    bench.runs.Remove(command, kNumber);
  });
}

}  // namespace
}  // namespace baton
