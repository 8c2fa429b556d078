// Long random lives of pools with two and three nodes. PairWorld checks at every claim that
// nobody else can write and that the proof holds.
#include <gtest/gtest.h>

#include <cstdlib>

#include "tests/ha_core/pair_world.h"

namespace baton::ha {
namespace {

// BATON_WALKS=1000: a longer walk.
const uint64_t kSeeds = [] {
  const char* walks = std::getenv("BATON_WALKS");
  return walks == nullptr ? 25 : std::strtoull(walks, nullptr, 10);
}();

struct Walk {
  const char* name;
  int nodes;
  Takeover takeover;
  bool fence;
  absl::Duration watchdog;
  bool times_differ = false;
};

class Walks : public testing::TestWithParam<Walk> {
 protected:
  WorldOptions OptionsOf(uint64_t seed) const {
    const Walk& walk = GetParam();
    return {.seed = seed,
            .nodes = walk.nodes,
            .takeover = walk.takeover,
            .fence = walk.fence,
            .watchdog = walk.watchdog,
            .times_differ = walk.times_differ};
  }

  void Misfortunes(PairWorld& world, int count) {
    for (int i = 0; i < count && !HasFailure(); ++i) {
      world.RunFor(absl::Milliseconds(700 * (1 + (i * 7) % 5)));
      world.HurtSomething();
    }
  }
};

TEST_P(Walks, NobodyClaimsWhileAnotherCanWrite) {
  std::map<Proof, uint64_t> claims;
  for (uint64_t seed = 1; seed <= kSeeds && !HasFailure(); ++seed) {
    PairWorld world(OptionsOf(seed));
    Misfortunes(world, 60);
    for (const auto& [proof, count] : world.claims()) claims[proof] += static_cast<uint64_t>(count);
  }
  // The walk has been where it should go.
  EXPECT_GT(claims[Proof::kHandover], kSeeds);
  EXPECT_GT(claims[Proof::kCertificate], kSeeds);
  if (GetParam().fence) {
    EXPECT_GT(claims[Proof::kFence], kSeeds / 10);
  }
  const bool timed = GetParam().takeover == Takeover::kAuto && !GetParam().fence;
  if (timed) {
    EXPECT_GT(claims[Proof::kLease] + claims[Proof::kWatchdog], kSeeds / 2);
  }
}

TEST_P(Walks, WhenTheFaultsEndThereIsOneOwner) {
  if (GetParam().takeover == Takeover::kManual) GTEST_SKIP() << "it waits for an operator";
  for (uint64_t seed = 1; seed <= kSeeds && !HasFailure(); ++seed) {
    PairWorld world(OptionsOf(1000 + seed));
    Misfortunes(world, 15);
    // All live on; in mode auto it is enough that one does.
    const bool one_dies = GetParam().takeover == Takeover::kAuto && seed % 2 == 0;
    world.Heal(one_dies ? GetParam().nodes - 1 : 0);
    world.RunFor(absl::Seconds(45));
    EXPECT_EQ(world.owners(), 1) << world.Describe();
  }
}

TEST_P(Walks, TheSameSeedGivesTheSameLife) {
  PairWorld first(OptionsOf(7));
  PairWorld second(OptionsOf(7));
  Misfortunes(first, 20);
  Misfortunes(second, 20);
  EXPECT_EQ(first.Describe(), second.Describe());
}

INSTANTIATE_TEST_SUITE_P(
    Pools, Walks,
    testing::Values(Walk{"two_auto", 2, Takeover::kAuto, false, absl::ZeroDuration()},
                    Walk{"two_auto_fence", 2, Takeover::kAuto, true, absl::ZeroDuration()},
                    Walk{"two_auto_watchdog", 2, Takeover::kAuto, false, absl::Seconds(5)},
                    Walk{"two_auto_other_times", 2, Takeover::kAuto, false, absl::Seconds(5), true},
                    Walk{"two_fence_other_times", 2, Takeover::kAuto, true, absl::ZeroDuration(),
                         true},
                    Walk{"two_fenced_only", 2, Takeover::kFencedOnly, true, absl::ZeroDuration()},
                    Walk{"two_manual", 2, Takeover::kManual, false, absl::ZeroDuration()},
                    Walk{"three_auto", 3, Takeover::kAuto, false, absl::ZeroDuration()},
                    Walk{"three_auto_fence", 3, Takeover::kAuto, true, absl::ZeroDuration()}),
    [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace baton::ha
