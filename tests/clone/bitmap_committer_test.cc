// What waits in the committer when a fault is met.
#include "engine/clone/bitmap_committer.h"

#include <gtest/gtest.h>

#include "tests/clone/pool.h"

namespace baton {
namespace {

// What is landed stands on the stack of who waits: it may not go away before the commit is over.
TEST(BitmapCommitter, AFaultOfOthersDuringACommitIsAnsweredWhenTheCommitIsOver) {
  for (uint64_t seed = 1; seed <= 100 && !testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    SimPool pool(seed);
    pool.runtime().Run([&] {
      CopyBench bench(pool, 8 * kBlock);
      bool is_committing = false;
      bool has_landed = false;
      pool.machine.steps().Inject({.matches =
                                       [&](const sim::Operation& operation) {
                                         if (operation.kind ==
                                             sim::OperationKind::kMetaDurableWrite)
                                           is_committing = true;
                                         return false;
                                       },
                                   .status = {}});
      pool.machine.steps().Observe([&](const sim::Operation& operation) {
        if (operation.kind == sim::OperationKind::kMetaDurableWrite) is_committing = false;
      });
      Progress progress{.run_id = 10};
      std::unique_ptr<Thread> other = pool.runtime().StartThread("other", [&] {
        while (!is_committing && !has_landed) pool.runtime().Yield();
        bench.committer->GiveUp(absl::AbortedError("a target could not be synced"));
      });
      (void)bench.committer->Land({progress, {0, 1}, {}});
      has_landed = true;
      EXPECT_FALSE(is_committing);
      other.reset();
      EXPECT_CODE(bench.committer->Land({progress, {1, 1}, {}}), kAborted);
      pool.machine.steps().Observe(nullptr);
    });
  }
}

// What a fault leaves of the entries: those whose bits are not durable are not used again.
TEST(BitmapCommitter, EntriesGoBackOnceTheirBitsAreDurableAndNotAfterAFault) {
  SimPool pool;
  pool.runtime().Run([&] {
    CopyBench bench(pool, 8 * kBlock);
    Progress progress{.run_id = 10};
    const auto enqueue = [&](ExtentSpan span) {
      progress.landing += span.count;
      bench.committer->Enqueue({progress, span, {}, Must(bench.log->Acquire())});
    };
    enqueue({0, 1});
    EXPECT_EQ(bench.log->free_entries(), limits::kLogEntries - 1);
    EXPECT_OK(bench.committer->WaitLanded(progress, {0, 1}));
    EXPECT_TRUE(bench.IsRecorded(0));
    EXPECT_EQ(bench.log->free_entries(), limits::kLogEntries);
    pool.machine.steps().Inject({.matches = sim::Matching(sim::OperationKind::kMetaDurableWrite),
                                 .status = absl::DataLossError("input/output error")});
    enqueue({1, 1});
    EXPECT_CODE(bench.committer->WaitLanded(progress, {1, 1}), kAborted);
    EXPECT_CODE(bench.log->Acquire(), kAborted);
    bench.writeback.reset();
    bench.committer.reset();
    EXPECT_EQ(bench.log->free_entries(), limits::kLogEntries - 1);
    EXPECT_FALSE(bench.IsRecorded(1));
  });
}

// Otherwise the writer would wait for the delay of a batch.
TEST(BitmapCommitter, ABatchIsLandedAtOnceWhenEntriesRunShort) {
  SimPool pool;
  pool.runtime().Run([&] {
    CopyBench bench(pool, 8 * kBlock);
    Progress progress{.run_id = 10};
    std::vector<LogEntry> others;
    while (bench.log->free_entries() > 1) others.push_back(Must(bench.log->Acquire()));
    ++progress.landing;
    bench.committer->Enqueue({progress, {0, 1}, {}, Must(bench.log->Acquire())});
    const absl::Duration begin = pool.runtime().BootTime();
    EXPECT_OK(bench.log->Acquire());
    EXPECT_LT(pool.runtime().BootTime() - begin, absl::Milliseconds(limits::kLandingDelayMs) / 2);
    EXPECT_TRUE(bench.IsRecorded(0));
  });
}

}  // namespace
}  // namespace baton
