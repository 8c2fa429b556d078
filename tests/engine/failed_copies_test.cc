// What copies that fail leave behind.
#include <gtest/gtest.h>

#include "engine/feedback.h"
#include "tests/engine/sim_engine.h"

namespace baton {
namespace {

constexpr uint64_t kExtentBytes = limits::kMinExtentBytes;

// A copy may have failed and its data be in place: the next owner finds it, and has to be believed.
TEST(FailedCopies, OfACloneThatFailsWritesAreNoDifferenceAfterASeal) {
  uint64_t found_more = 0;
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    SimEngine sim(seed);
    sim.Run([&] {
      const uint64_t id = sim.StartClone(Pattern(32 * kExtentBytes, 1), kExtentBytes, FAIL_WRITE);
      sim.Fail(sim::OperationKind::kWrite, "volumes/dst",
               absl::ResourceExhaustedError("no space is left"));
      EXPECT_CODE(sim.OpenVolume("src")->Write(0, Pattern(8 * kExtentBytes, 2)),
                  kResourceExhausted);
      sim.machine.steps().ClearFaults();
      const std::vector<Residual> said = Must(sim.engine->Seal());
      sim.Open();
      const Residual found = Must(sim.engine->CloneResidual(id, false));
      EXPECT_OK(CompareFeedback(said, {found}));
      found_more += said.front().extents_pending() - found.extents_pending();
    });
  }
  EXPECT_GT(found_more, 0u) << "nothing was left in place";
}

}  // namespace
}  // namespace baton
