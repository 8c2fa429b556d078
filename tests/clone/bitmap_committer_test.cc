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
                                   .skip = 0,
                                   .status = {},
                                   .sticky = false});
      pool.machine.steps().Observe([&](const sim::Operation& operation) {
        if (operation.kind == sim::OperationKind::kMetaDurableWrite) is_committing = false;
      });
      Progress progress{.run_id = 10};
      std::unique_ptr<Thread> other = pool.runtime().StartThread("other", [&] {
        while (!is_committing && !has_landed) pool.runtime().Yield();
        bench.committer->GiveUp(absl::AbortedError("a target could not be synced"));
      });
      (void)bench.committer->Land(progress, {0, 1}, {});
      has_landed = true;
      EXPECT_FALSE(is_committing);
      other.reset();
      EXPECT_CODE(bench.committer->Land(progress, {1, 1}, {}), kAborted);
      pool.machine.steps().Observe(nullptr);
    });
  }
}

}  // namespace
}  // namespace baton
