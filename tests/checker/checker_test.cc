// Random operations of several hosts against a model, in this process. For longer campaigns:
//   BATON_SECONDS=3600 BATON_FIRST_SEED=1000 BATON_OPERATIONS=50000 build/checker_test
// BATON_SEED=N runs what N stands for and nothing else.
#include <gtest/gtest.h>

#include "tests/checker/engine_backend.h"
#include "tests/checker/world.h"

namespace baton::checker {
namespace {

// A disk, with its own latencies, or memory, where there are many more operations a second.
std::unique_ptr<Backend> MakeBackend(uint64_t seed) {
  const std::string disk = testing::TempDir();
  const std::string memory = MemoryDirectory();
  switch (seed % 4) {
    case 0:
      return std::make_unique<EngineBackend>(disk, DURABILITY_SYNC);
    case 1:
      return std::make_unique<EngineBackend>(disk, DURABILITY_NODE);
    case 2:
      return std::make_unique<EngineBackend>(memory, DURABILITY_NODE);
    default:
      return std::make_unique<EngineBackend>(memory, DURABILITY_NONE);
  }
}

TEST(Checker, EveryAnswerOfTheEngineIsRight) { EXPECT_EQ(RunCampaign("engine", MakeBackend), ""); }

}  // namespace
}  // namespace baton::checker
