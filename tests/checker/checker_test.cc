// Random operations of several hosts against a model, in this process. For longer campaigns:
//   BATON_SECONDS=3600 BATON_FIRST_SEED=1000 BATON_OPERATIONS=50000 build/checker_test
// BATON_SEED=N runs what N stands for and nothing else.
#include <gtest/gtest.h>

#include "tests/checker/engine_backend.h"
#include "tests/checker/world.h"

namespace baton::checker {
namespace {

TEST(Checker, EveryAnswerOfTheEngineIsRight) {
  EXPECT_EQ(RunCampaign("engine",
                        [](uint64_t seed) {
                          const Durability durability = seed % 3 == 0   ? DURABILITY_NONE
                                                        : seed % 3 == 1 ? DURABILITY_NODE
                                                                        : DURABILITY_SYNC;
                          return std::make_unique<EngineBackend>(testing::TempDir(), durability);
                        }),
            "");
}

}  // namespace
}  // namespace baton::checker
