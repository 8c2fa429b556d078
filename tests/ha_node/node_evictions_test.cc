// An eviction ends what its node holds, and says OK no sooner.
#include "ha/node/node_evictions.h"

#include <gtest/gtest.h>

#include "ha/volumes/volume_adapter.h"
#include "tests/engine/sim_engine.h"
#include "tests/ha_node/fake_network.h"

namespace baton::ha {
namespace {

// At the owner a, with the peers b and c. A program of b has locked the whole volume.
class NodeEvictionsTest : public testing::Test, protected EpochServices {
 protected:
  void Run(const std::function<void()>& body) {
    sim_.Run([&] {
      OwnedPool pool{*sim_.engine, sim_.machine.storage()};
      pool_.Set(pool);
      served_.Begin(1);
      ASSERT_OK(sim_.engine->CreateVolume({.name = "v", .size_bytes = limits::kGiB}));
      volume_ = Must(sim_.engine->ShowVolume("v")).id();
      Lock("b");
      body();
      served_.End();
      pool_.Drain();
    });
  }
  void Begin(OwnedEpoch&, OwnerPeers&) override {}
  void End() override {}
  absl::Status Readmit(const std::string&, uint64_t) override { return absl::OkStatus(); }

  void Lock(const std::string& node) {
    EXPECT_OK(sim_.engine
                  ->SetAllLocks({.node = node, .boot_id = "boot", .order = ++order_},
                                {{.volume_id = volume_, .locks = {kWhole}}})
                  .status());
  }
  bool IsLocked() { return sim_.engine->FindLock("c", volume_, kWhole).has_value(); }

  static constexpr FileLock kWhole = {.exclusive = true, .owner = 1};
  SimEngine sim_;
  Runtime& runtime_ = sim_.machine.runtime();
  uint64_t volume_ = 0;
  uint64_t order_ = 0;
  FakeNetwork network_;
  PeerTable peers_{runtime_, absl::Milliseconds(500)};
  ServedEpoch epoch_{runtime_};
  Drainable<OwnedPool> pool_;
  VolumeAdapter local_{pool_};
  ServedVolumes served_{local_, local_};
  NodeEvictions evictions_{runtime_,
                           {.self = "a", .peers = {"b", "c"}},
                           {.network = network_,
                            .served = served_,
                            .services = *this,
                            .epoch = epoch_,
                            .peers = peers_}};
};

TEST_F(NodeEvictionsTest, AnEvictedNodeHoldsNoLocks) {
  Run([this] {
    EXPECT_OK(evictions_.Evict(*sim_.engine, "b"));
    EXPECT_NE(served_.EvictionOfPeer("b"), 0U);
    EXPECT_FALSE(IsLocked());
  });
}

TEST_F(NodeEvictionsTest, OneThatTheEndOfTheEpochCutsShortIsAskedForAgain) {
  Run([this] {
    network_.while_forwarded_ends = [this] { served_.End(); };
    EXPECT_CODE(evictions_.Evict(*sim_.engine, "b"), kAborted);
    EXPECT_TRUE(IsLocked());
    served_.Begin(2, sim_.engine->EvictedNodes());
    EXPECT_OK(evictions_.Evict(*sim_.engine, "b"));
    EXPECT_FALSE(IsLocked());
  });
}

TEST_F(NodeEvictionsTest, AMountThatWasMadeAnewMeanwhileKeepsItsLocks) {
  Run([this] {
    network_.while_forwarded_ends = [this] {
      served_.Readmit("b", served_.EvictionOfPeer("b"));
      Lock("b");
    };
    EXPECT_OK(evictions_.Evict(*sim_.engine, "b"));
    EXPECT_TRUE(IsLocked());
  });
}

}  // namespace
}  // namespace baton::ha
