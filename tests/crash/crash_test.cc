// Crashes at random operations, on the simulated disk. Reproduce a seed with
//   BATON_SEED=N build/crash_test --gtest_filter=*Crash.*
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <string>

#include "engine/base/mutant.h"
#include "tests/crash/world.h"

namespace baton::crash {
namespace {

uint64_t FromEnvironment(const char* name, uint64_t otherwise) {
  const char* value = std::getenv(name);
  return value == nullptr ? otherwise : std::stoull(value);
}

// Crash points of each part; BATON_CRASH_POINTS for longer campaigns.
constexpr uint64_t kParts = 4;
constexpr uint64_t kCrashPoints = 100'000 / kParts;

class Crash : public testing::TestWithParam<uint64_t> {};

TEST_P(Crash, LosesNothingAtAnyPoint) {
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);  // one thread: only slow
  const uint64_t only = FromEnvironment("BATON_SEED", 0);
  const uint64_t wanted = only > 0 ? 1 : FromEnvironment("BATON_CRASH_POINTS", kCrashPoints);
  uint64_t seed = only > 0 ? only : GetParam() * 100'000'000 + 1;
  Outcome sum;
  for (; sum.crash_points < wanted; ++seed) {
    const Outcome outcome = World(seed).Run();
    ASSERT_EQ(outcome.violation, "");
    sum.crash_points += outcome.crash_points;
    sum.completed += outcome.completed;
    if (only > 0) break;
  }
  RecordProperty("crash_points", std::to_string(sum.crash_points));
  if (only == 0) {
    EXPECT_GT(sum.completed, sum.crash_points / 20);
  }
  printf("%lu crash points, %lu clones completed\n", sum.crash_points, sum.completed);
}

INSTANTIATE_TEST_SUITE_P(Part, Crash, testing::Range<uint64_t>(0, kParts));

struct MutantCase {
  Mutant mutant;
  const char* name;
};

class EveryMutant : public testing::TestWithParam<MutantCase> {
 protected:
  ~EveryMutant() override { active_mutant = Mutant::kNone; }
};

TEST_P(EveryMutant, IsCaught) {
  active_mutant = GetParam().mutant;
  constexpr uint64_t kMostSeeds = 20'000;
  for (uint64_t seed = 1; seed <= kMostSeeds; ++seed) {
    const Outcome outcome = World(seed).Run();
    if (outcome.violation.empty()) continue;
    printf("%s\n", outcome.violation.c_str());
    return;
  }
  FAIL() << GetParam().name << " was not noticed in " << kMostSeeds << " seeds";
}

#define MUTANT(name) \
  MutantCase { Mutant::name, #name }
INSTANTIATE_TEST_SUITE_P(
    Rule, EveryMutant,
    testing::Values(
        MUTANT(kSourceWriteBeforePreserve), MUTANT(kSlotWithoutTargetData),
        MUTANT(kTargetDataWithoutSlot), MUTANT(kEntryNotDurable), MUTANT(kEntryWithoutData),
        MUTANT(kCopierSkipsTargetSync), MUTANT(kWritebackSkipsTargetSync),
        MUTANT(kRecoverySkipsTargetSync), MUTANT(kSlotFreedBeforeBit),
        MUTANT(kEntryFreedBeforeFailure), MUTANT(kTargetWriteBeforeBit), MUTANT(kFlushWithoutSync),
        MUTANT(kStartWithoutSync), MUTANT(kStartWithoutQuiesce), MUTANT(kStartNotDurable),
        MUTANT(kFailureNotDurable), MUTANT(kRecoveryStopsAtEmptySlot), MUTANT(kRecoverySkipsHash),
        MUTANT(kRecoveryIgnoresLog), MUTANT(kTargetReadIgnoresLog), MUTANT(kTargetReadNoSecondLook),
        MUTANT(kCopyIgnoresLocks), MUTANT(kActivateKeepsOldContent), MUTANT(kDrainSkipsTargetSync),
        MUTANT(kAppliedBeforePreserved), MUTANT(kDrainSkipsSourceSync),
        MUTANT(kSegmentRecordNotDurable), MUTANT(kPlainWriteOvertakesLogged),
        MUTANT(kDiscardOvertakesLogged), MUTANT(kStartForgetsLog)),
    [](const testing::TestParamInfo<MutantCase>& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace baton::crash
