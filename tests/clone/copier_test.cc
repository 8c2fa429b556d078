#include "engine/clone/copier.h"

#include <gtest/gtest.h>

#include "tests/clone/pool.h"

namespace baton {
namespace {

constexpr uint64_t kSize = 64 * kBlock;

class CopierTest : public testing::Test {
 protected:
  void Run(const std::function<void(CopyBench&, Copier&)>& body) {
    pool_.runtime().Run([&] {
      CopyBench bench(pool_, kSize);
      ASSERT_OK(bench.source->path.Write(0, Pattern(kSize, 1)));
      bench.run->SetPhase(CloneRun::Phase::kActive);
      Copier copier(pool_.runtime(), 3, 4 * kBlock,
                    [this](const std::shared_ptr<CopyJob>&, const absl::Status& result) {
                      results_.push_back(result);
                    });
      body(bench, copier);
    });
  }
  absl::Duration AwaitEnd() {
    const absl::Duration begin = pool_.runtime().BootTime();
    while (results_.empty()) pool_.runtime().SleepFor(absl::Milliseconds(1));
    return pool_.runtime().BootTime() - begin;
  }

  SimPool pool_;
  std::vector<absl::Status> results_;
};

TEST_F(CopierTest, CopiesAllAndReportsOnce) {
  Run([&](CopyBench& bench, Copier& copier) {
    copier.Add(std::make_shared<CopyJob>(7, bench.run, 0));
    AwaitEnd();
    pool_.runtime().SleepFor(absl::Seconds(1));
    EXPECT_EQ(results_, std::vector<absl::Status>{absl::OkStatus()});
    EXPECT_EQ(bench.Content(*bench.target), Pattern(kSize, 1));
    EXPECT_EQ(bench.run->progress().copies, bench.geometry.extents()) << "each extent once";
  });
}

// A worker that waits for the next one would keep the run, and with it files that are deleted.
TEST_F(CopierTest, NobodyHasAJobThatWasRemoved) {
  Run([&](CopyBench& bench, Copier& copier) {
    auto job = std::make_shared<CopyJob>(7, bench.run, 0);
    const std::weak_ptr<CopyJob> seen = job;
    copier.Add(job);
    AwaitEnd();
    copier.Remove(job);
    job.reset();
    pool_.runtime().SleepFor(absl::Seconds(1));
    EXPECT_TRUE(seen.expired());
  });
}

TEST_F(CopierTest, KeepsToTheRate) {
  Run([&](CopyBench& bench, Copier& copier) {
    copier.Add(std::make_shared<CopyJob>(7, bench.run, kSize / 4));
    const absl::Duration took = AwaitEnd();
    EXPECT_GT(took, absl::Seconds(3));
    EXPECT_LT(took, absl::Seconds(6));
  });
}

TEST_F(CopierTest, ANewRateCountsAtOnce) {
  Run([&](CopyBench& bench, Copier& copier) {
    const auto job = std::make_shared<CopyJob>(7, bench.run, 1);
    copier.Add(job);
    pool_.runtime().SleepFor(absl::Seconds(10));
    EXPECT_LE(bench.run->copied().count(), 4u);
    job->throttle.SetRate(0);
    copier.Wake();
    EXPECT_LT(AwaitEnd(), absl::Seconds(5));
  });
}

TEST_F(CopierTest, WhileHostsAreActiveAndAShortTimeAfterItReadsAndWritesInSmallPieces) {
  Run([&](CopyBench& bench, Copier& copier) {
    std::vector<std::pair<absl::Duration, uint64_t>> writes;  // when, bytes
    const auto note = [&](const sim::Operation& operation) {
      if (operation.kind == sim::OperationKind::kWrite && operation.path == "volumes/dst") {
        writes.emplace_back(pool_.runtime().BootTime(), operation.bytes);
      }
      return false;
    };
    pool_.machine.steps().Inject({.matches = note, .status = absl::OkStatus()});
    copier.Add(std::make_shared<CopyJob>(7, bench.run, kSize / 2));
    pool_.runtime().SleepFor(absl::Milliseconds(400));
    const absl::Duration first = pool_.runtime().BootTime();
    std::vector<std::byte> block(kBlock);
    for (int i = 0; i < 40; ++i) {
      EXPECT_OK(bench.source->path.Read(0, block));
      pool_.runtime().SleepFor(absl::Milliseconds(10));
    }
    const absl::Duration last = pool_.runtime().BootTime();
    AwaitEnd();
    const auto largest = [&](absl::Duration begin, absl::Duration end) {
      uint64_t most = 0;
      for (const auto& [time, bytes] : writes) {
        if (begin <= time && time < end) most = std::max(most, bytes);
      }
      return most;
    };
    EXPECT_EQ(largest({}, first), 4 * kBlock);
    EXPECT_EQ(largest(first + absl::Milliseconds(200), last + absl::Milliseconds(300)), kBlock);
    EXPECT_EQ(largest(last + absl::Milliseconds(700), absl::InfiniteDuration()), 4 * kBlock);
    EXPECT_EQ(bench.Content(*bench.target), Pattern(kSize, 1));
  });
}

TEST_F(CopierTest, AJobThatWasRemovedIsNotWorkedOn) {
  Run([&](CopyBench& bench, Copier& copier) {
    const auto job = std::make_shared<CopyJob>(7, bench.run, kSize);
    copier.Add(job);
    pool_.runtime().SleepFor(absl::Milliseconds(300));
    copier.Remove(job);
    const uint64_t copied = bench.run->copied().count();
    EXPECT_GT(copied, 0u);
    EXPECT_LT(copied, bench.geometry.extents());
    pool_.runtime().SleepFor(absl::Seconds(10));
    EXPECT_EQ(bench.run->copied().count(), copied);
    EXPECT_TRUE(results_.empty());
  });
}

TEST_F(CopierTest, AStepThatFailsIsRepeatedAFewTimes) {
  Run([&](CopyBench& bench, Copier& copier) {
    for (uint64_t skip : {0, 3}) {
      pool_.machine.steps().Inject(
          {.matches = sim::Matching(sim::OperationKind::kWrite, "volumes/dst"),
           .skip = skip,
           .status = absl::DataLossError("input/output error")});
    }
    copier.Add(std::make_shared<CopyJob>(7, bench.run, 0));
    AwaitEnd();
    EXPECT_OK(results_.front());
    EXPECT_EQ(bench.Content(*bench.target), Pattern(kSize, 1));
  });
}

TEST_F(CopierTest, AnErrorThatStaysEndsTheJob) {
  Run([&](CopyBench& bench, Copier& copier) {
    pool_.machine.steps().Inject(
        {.matches = sim::Matching(sim::OperationKind::kWrite, "volumes/dst"),
         .status = absl::DataLossError("input/output error"),
         .sticky = true});
    copier.Add(std::make_shared<CopyJob>(7, bench.run, 0));
    AwaitEnd();
    EXPECT_CODE(results_.front(), kDataLoss);
    EXPECT_EQ(results_.size(), 1u);
    EXPECT_EQ(bench.run->copied().count(), 0u);
  });
}

TEST_F(CopierTest, ExtentsThatCannotBeReadEndTheJobHoweverManyOthersAreCopiedMeanwhile) {
  Run([&](CopyBench& bench, Copier& copier) {
    constexpr uint64_t kBad = 9 * 2 * kBlock;
    int attempts = 0;
    pool_.machine.steps().Inject({.matches =
                                      [&](const sim::Operation& operation) {
                                        const bool is_bad =
                                            operation.kind == sim::OperationKind::kRead &&
                                            operation.path == "volumes/src" &&
                                            operation.offset <= kBad &&
                                            kBad < operation.offset + operation.bytes;
                                        attempts += is_bad ? 1 : 0;
                                        return is_bad;
                                      },
                                  .status = absl::DataLossError("input/output error"),
                                  .sticky = true});
    copier.Add(std::make_shared<CopyJob>(7, bench.run, 0));
    EXPECT_LT(AwaitEnd(), absl::Seconds(2));
    EXPECT_CODE(results_.front(), kDataLoss);
    EXPECT_EQ(attempts, limits::kCopyAttempts);
    pool_.machine.steps().ClearFaults();
  });
}

TEST_F(CopierTest, AFullStorageIsNotTriedAgain) {
  Run([&](CopyBench& bench, Copier& copier) {
    pool_.machine.steps().Inject(
        {.matches = sim::Matching(sim::OperationKind::kWrite, "volumes/dst"),
         .status = absl::ResourceExhaustedError("full")});
    copier.Add(std::make_shared<CopyJob>(7, bench.run, 0));
    AwaitEnd();
    EXPECT_CODE(results_.front(), kResourceExhausted);
  });
}

}  // namespace
}  // namespace baton
