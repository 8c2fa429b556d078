// Which errors of a request say that the storage of this node fails.
#include "ha/volumes/volume_adapter.h"

#include <gtest/gtest.h>

#include "tests/engine/sim_engine.h"

namespace baton::ha {
namespace {

constexpr uint64_t kExtentBytes = limits::kMinExtentBytes;

class VolumeAdapterTest : public testing::Test {
 protected:
  // What a host's write to the source of a clone that fails writes is answered.
  absl::Status WriteWhileFailing(const std::string& path) {
    absl::Status answer;
    SimEngine sim;
    sim.Run([&] {
      sim.StartClone(Pattern(8 * kExtentBytes, 1), kExtentBytes, FAIL_WRITE);
      OwnedPool pool{*sim.engine, sim.machine.storage()};
      Drainable<OwnedPool> drainable;
      drainable.Set(pool);
      VolumeAdapter adapter(drainable, [this](const absl::Status& status) {
        told_.push_back(status);
        return true;
      });
      const uint64_t id = Must(sim.engine->ShowVolume("src")).id();
      const std::shared_ptr<VolumeIo> io = Must(adapter.Open(id));
      sim.Fail(sim::OperationKind::kWrite, path, absl::DataLossError("input/output error"));
      answer = io->Write(0, Pattern(kExtentBytes, 2));
      sim.machine.steps().ClearFaults();
      drainable.Drain();
    });
    return answer;
  }

  std::vector<absl::Status> told_;
};

TEST_F(VolumeAdapterTest, AWriteThatTheVolumeDoesNotTakeDoes) {
  EXPECT_CODE(WriteWhileFailing("volumes/src"), kAborted);
  EXPECT_EQ(told_.size(), 1u);
}

// The next owner would meet the same, and the pool would go from one to the other without end.
TEST_F(VolumeAdapterTest, AWriteThatACloneCouldNotPreserveDoesNot) {
  EXPECT_CODE(WriteWhileFailing("volumes/dst"), kDataLoss);
  EXPECT_TRUE(told_.empty());
}

}  // namespace
}  // namespace baton::ha
