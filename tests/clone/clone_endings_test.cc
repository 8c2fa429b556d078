// What becomes of a clone whose copy is done, or cannot be done.
#include "engine/clone/clone_endings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>

#include "tests/clone/clone_bench.h"

namespace baton {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class CloneEndingsTest : public testing::Test {
 protected:
  void Run(const std::function<void(CloneBench&)>& body) {
    pool_.runtime().Run([&] {
      CloneBench bench(pool_);
      endings_ = std::make_unique<CloneEndings>(
          pool_.runtime(), bench.copies.catalog,
          CloneEndings::Parts{bench.locks, bench.gate, bench.table, bench.changes, bench.failures,
                              bench.runs});
      body(bench);
      endings_.reset();
      pool_.machine.steps().ClearFaults();
    });
  }
  // Starts a job and waits for its end, which nobody has been told of.
  std::shared_ptr<CopyJob> FinishJob(CloneBench& bench, uint64_t id) {
    {
      const CloneLocks::Command command(bench.locks);
      bench.runs.StartJob(command, id, {});
    }
    const size_t before = bench.finished.size();
    while (bench.finished.size() == before) pool_.runtime().SleepFor(absl::Milliseconds(1));
    return bench.finished.back().first;
  }
  void Settle() { pool_.runtime().SleepFor(absl::Seconds(1)); }
  bool IsDetached(CloneBench& bench) {
    const uint64_t before = bench.copies.run->copied().count();
    bench.copies.run->SetPhase(CloneRun::Phase::kActive);
    EXPECT_OK(bench.copies.source->path.Write(0, Pattern(kBlock, 9)));
    const bool is_detached = bench.copies.run->copied().count() == before;
    bench.copies.run->SetPhase(CloneRun::Phase::kOver);
    return is_detached;
  }

  SimPool pool_;
  std::unique_ptr<CloneEndings> endings_;
};

TEST_F(CloneEndingsTest, ACopyThatIsDoneIsACompleteCloneWithACertificate) {
  Run([&](CloneBench& bench) {
    const uint64_t id = bench.AddRunning();
    endings_->ReportJob(FinishJob(bench, id), absl::OkStatus());
    Settle();
    const RelationRecord record = bench.StoredRecordOf(id);
    EXPECT_EQ(record.state(), COMPLETED);
    EXPECT_EQ(record.certificate().size(), 32u);
    EXPECT_EQ(record.copies_total(), 6u);
    EXPECT_GT(record.completed_unix_us(), 0);
    EXPECT_EQ(Must(bench.table.Get(id)).run, nullptr);
    EXPECT_THAT(bench.Events(), Contains("clone-completed"));
    std::vector<std::byte> target(CloneBench::kSizeBytes);
    bench.copies.run->SetPhase(CloneRun::Phase::kOver);
    ASSERT_OK(bench.copies.target->path.Read(0, target)) << "the view is off the target";
    EXPECT_EQ(target, Pattern(CloneBench::kSizeBytes, 1));
    EXPECT_TRUE(IsDetached(bench));
  });
}

TEST_F(CloneEndingsTest, AnErrorOfTheCopyFailsTheCloneWhichIsThenDetached) {
  Run([&](CloneBench& bench) {
    const uint64_t id = bench.AddRunning();
    const std::shared_ptr<CopyJob> job = FinishJob(bench, id);
    endings_->ReportJob(job, absl::DataLossError("an unreadable sector"));
    Settle();
    EXPECT_EQ(bench.StoredRecordOf(id).state(), FAILED);
    EXPECT_THAT(bench.StoredRecordOf(id).error(), HasSubstr("an unreadable sector"));
    ASSERT_EQ(bench.failed.size(), 1u);
    EXPECT_EQ(bench.failed[0].first, id);
    endings_->ReportFailure(id, bench.failed[0].second);
    Settle();
    EXPECT_TRUE(IsDetached(bench));
    const CloneLocks::Command command(bench.locks);
    EXPECT_FALSE(bench.runs.HasJob(command, id, job.get()));
  });
}

TEST_F(CloneEndingsTest, WhereWritesFailInsteadOfTheCloneAnErrorPausesIt) {
  Run([&](CloneBench& bench) {
    const uint64_t id = bench.AddRunning(FAIL_WRITE);
    const std::shared_ptr<CopyJob> job = FinishJob(bench, id);
    endings_->ReportJob(job, absl::ResourceExhaustedError("the file system is full"));
    Settle();
    EXPECT_EQ(bench.StoredRecordOf(id).state(), PAUSED);
    EXPECT_THAT(bench.StoredRecordOf(id).error(), HasSubstr("the file system is full"));
    EXPECT_EQ(bench.copies.run->phase(), CloneRun::Phase::kActive);
    const CloneLocks::Command command(bench.locks);
    EXPECT_FALSE(bench.runs.HasJob(command, id, job.get()));
  });
}

TEST_F(CloneEndingsTest, ACommandThatCameFirstIsNotUndone) {
  Run([&](CloneBench& bench) {
    const uint64_t id = bench.AddRunning();
    const std::shared_ptr<CopyJob> old_job = FinishJob(bench, id);
    {
      const CloneLocks::Command command(bench.locks);
      bench.runs.StopJob(command, id);
    }
    const std::shared_ptr<CopyJob> job = FinishJob(bench, id);
    endings_->ReportJob(old_job, absl::OkStatus());
    Settle();
    EXPECT_EQ(bench.RecordOf(id).state(), COPYING) << "it was not that job";
    {
      RelationChanges::Change change(bench.changes);
      ASSERT_OK(change.Add(id, Action::kPause));
      ASSERT_OK(change.Commit());
    }
    endings_->ReportJob(job, absl::OkStatus());
    Settle();
    EXPECT_EQ(bench.RecordOf(id).state(), PAUSED);
  });
}

TEST_F(CloneEndingsTest, NothingIsEndedInsideACommandNorWhenNoCommandIsTakenAnyMore) {
  Run([&](CloneBench& bench) {
    const uint64_t id = bench.AddRunning();
    const std::shared_ptr<CopyJob> job = FinishJob(bench, id);
    {
      const CloneLocks::Command command(bench.locks);
      endings_->ReportJob(job, absl::OkStatus());
      Settle();
      EXPECT_EQ(bench.RecordOf(id).state(), COPYING);
      bench.gate.Close(command);
    }
    Settle();
    EXPECT_EQ(bench.RecordOf(id).state(), COPYING);
    EXPECT_CODE(bench.gate.Check(), kAborted);
    endings_->Stop();
    endings_->ReportJob(job, absl::OkStatus());
  });
}

TEST_F(CloneEndingsTest, TheEndOfAnEngineEndsNoClone) {
  Run([&](CloneBench& bench) {
    const uint64_t id = bench.AddRunning();
    endings_->ReportJob(FinishJob(bench, id), absl::AbortedError("the engine stopped"));
    Settle();
    EXPECT_EQ(bench.RecordOf(id).state(), COPYING);
    EXPECT_THAT(bench.failed, IsEmpty());
  });
}

class CloneFailuresTest : public CloneEndingsTest {};

TEST_F(CloneFailuresTest, AFailureIsDurableBeforeTheRunIsOverAndIsToldOnce) {
  Run([&](CloneBench& bench) {
    const uint64_t id = bench.AddRunning();
    EXPECT_OK(bench.failures.OnPreserveFailed(id, absl::ResourceExhaustedError("full")));
    EXPECT_EQ(bench.StoredRecordOf(id).state(), FAILED);
    EXPECT_EQ(bench.copies.run->phase(), CloneRun::Phase::kOver);
    EXPECT_OK(bench.failures.OnWritebackFailed(bench.copies.run->progress().run_id,
                                               absl::ResourceExhaustedError("once more")));
    EXPECT_THAT(bench.StoredRecordOf(id).error(), HasSubstr("full"));
    EXPECT_EQ(bench.failed.size(), 1u);
  });
}

TEST_F(CloneFailuresTest, AFailureThatIsNotDurableLetsNoWriteGoOn) {
  Run([&](CloneBench& bench) {
    const uint64_t id = bench.AddRunning();
    FailNextCommit(pool_);
    EXPECT_CODE(bench.failures.OnPreserveFailed(id, absl::ResourceExhaustedError("full")),
                kAborted);
    EXPECT_EQ(bench.RecordOf(id).state(), COPYING);
    EXPECT_EQ(bench.copies.run->phase(), CloneRun::Phase::kActive);
    EXPECT_THAT(bench.failed, IsEmpty());
  });
}

TEST_F(CloneFailuresTest, WhereWritesFailTheWriteIsRefusedAndTheCloneGoesOn) {
  Run([&](CloneBench& bench) {
    const uint64_t id = bench.AddRunning(FAIL_WRITE);
    EXPECT_CODE(bench.failures.OnPreserveFailed(id, absl::ResourceExhaustedError("full")),
                kResourceExhausted);
    EXPECT_EQ(bench.RecordOf(id).state(), COPYING);
    EXPECT_EQ(bench.copies.run->phase(), CloneRun::Phase::kActive);
  });
}

TEST_F(CloneFailuresTest, WhatIsGoneOrNotRunningDoesNotFail) {
  Run([&](CloneBench& bench) {
    EXPECT_OK(bench.failures.OnPreserveFailed(99, absl::ResourceExhaustedError("full")));
    EXPECT_OK(bench.failures.OnWritebackFailed(99, absl::ResourceExhaustedError("full")));
    const uint64_t id = bench.AddClone(STOPPED, bench.copies.run);
    EXPECT_OK(bench.failures.Fail(id, absl::ResourceExhaustedError("full")));
    EXPECT_EQ(bench.RecordOf(id).state(), STOPPED);
    EXPECT_THAT(bench.failed, IsEmpty());
  });
}

}  // namespace
}  // namespace baton
