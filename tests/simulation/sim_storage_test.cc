#include "tests/sim/sim_storage.h"

#include <set>

#include "tests/base/storage_contract.h"
#include "tests/simulation/disk.h"

namespace baton::sim {
namespace {

class SimUnderTest final : public StorageUnderTest {
 public:
  Storage& storage() override { return machine_.storage(); }

 private:
  SimMachine machine_{1};
};

}  // namespace
}  // namespace baton::sim

namespace baton {
INSTANTIATE_TEST_SUITE_P(Sim, StorageContract,
                         testing::Values(StorageKind{
                             "Sim", [] { return std::make_unique<sim::SimUnderTest>(); }}),
                         StorageKindName);
}  // namespace baton

namespace baton::sim {
namespace {

// ---- faults ----

TEST(SimFaultTest, TheNthMatchingOperationFailsOnceOrForEver) {
  Disk disk(1);
  const auto file = disk.Open();
  const auto writes = [](const Operation& o) { return o.kind == OperationKind::kWrite; };
  disk.machine.steps().Inject({writes, 1, absl::DataLossError("bad sector")});
  EXPECT_OK(file->Write(0, kNew, WriteMode::kCached));
  EXPECT_CODE(file->Write(0, kNew, WriteMode::kCached), kDataLoss);
  EXPECT_OK(file->Write(0, kNew, WriteMode::kCached));
  disk.machine.steps().Inject({{}, 0, absl::ResourceExhaustedError("full"), true});
  EXPECT_CODE(file->Write(0, kNew, WriteMode::kCached), kResourceExhausted);
  EXPECT_CODE(file->Sync(), kResourceExhausted);
  disk.machine.steps().ClearFaults();
  EXPECT_OK(file->Sync());
}

TEST(SimFaultTest, AfterAFailedSyncALaterOneSavesNothing) {
  bool lost = false;
  for (uint64_t seed = 0; seed < 100; ++seed) {
    Disk disk(seed);
    const auto file = disk.Open();
    EXPECT_OK(file->Write(0, kNew, WriteMode::kCached));
    disk.machine.steps().Inject({{}, 0, absl::DataLossError("bad sector")});
    EXPECT_CODE(file->Sync(), kDataLoss);
    EXPECT_OK(file->Sync());
    disk.Crash(CrashKind::kPower);
    lost |= disk.Kept(0, kNew, kZeros) < kAll;
  }
  EXPECT_TRUE(lost);
}

TEST(SimFaultTest, AFullDiskTakesWhatFits) {
  Disk disk(1);
  disk.machine.storage().set_capacity_bytes(3 * kBlock);
  const auto file = disk.Open();
  EXPECT_OK(file->Write(0, kNew, WriteMode::kCached));
  EXPECT_EQ(Must(disk.machine.storage().FreeBytes()), kBlock);
  EXPECT_CODE(file->Write(kBlock, Pattern(3 * kBlock, 2), WriteMode::kCached), kResourceExhausted);
  EXPECT_EQ(Must(disk.machine.storage().FreeBytes()), 0U);
  EXPECT_OK(file->Write(0, kNewer, WriteMode::kCached));  // overwriting needs no space
  EXPECT_OK(file->PunchHole(0, kBlock));
  EXPECT_OK(file->Write(3 * kBlock, Bytes(kNew).first(kBlock), WriteMode::kCached));
}

TEST(SimFaultTest, ObserversSeeWhatTookEffect) {
  Disk disk(1);
  uint64_t written = 0;
  disk.machine.steps().Observe([&](const Operation& operation) {
    if (operation.kind == OperationKind::kWrite && operation.path == "f") {
      written += operation.bytes;
    }
  });
  const auto file = disk.Open();
  EXPECT_OK(file->Write(0, kNew, WriteMode::kCached));
  disk.machine.steps().Inject({{}, 0, absl::DataLossError("bad sector")});
  EXPECT_CODE(file->Write(0, kNew, WriteMode::kCached), kDataLoss);
  EXPECT_EQ(written, kNew.size());
}

TEST(SimFaultTest, PokedBytesAreThereAndStay) {
  Disk disk(1);
  disk.machine.storage().Poke("f", kBlock, kNew);
  disk.Crash(CrashKind::kPower);
  EXPECT_EQ(disk.Kept(kBlock, kNew, kZeros), kAll);
}

// ---- interleaving ----

struct Outcome {
  uint64_t fingerprint = 0;
  uint64_t steps = 0;
  std::vector<std::byte> content;
  bool operator==(const Outcome&) const = default;
};

// Three threads write, sync and read the same file; with `crash` the power goes at that step.
Outcome RunThreads(uint64_t seed, uint64_t crash) {
  Disk disk(seed);
  SimRuntime& runtime = disk.machine.runtime();
  if (crash > 0) disk.machine.steps().CrashAt(crash, CrashKind::kPower);
  const auto file = disk.Open();
  runtime.Run([&] {
    std::vector<std::unique_ptr<Thread>> threads;
    for (uint8_t t = 0; t < 3; ++t) {
      threads.push_back(runtime.StartThread("host", [&, t] {
        for (int i = 0; i < 4; ++i) {
          if (!file->Write(t * kBlock, Pattern(2 * kBlock, t), WriteMode::kCached).ok()) return;
          std::vector<std::byte> seen(kBlock);
          if (!file->Read(t * kBlock, seen).ok() || !file->Sync().ok()) return;
        }
      }));
    }
  });
  disk.machine.Restart();
  return {runtime.fingerprint(), disk.machine.steps().count(), disk.machine.storage().Peek("f")};
}

TEST(SimInterleavingTest, ASeedRepeatsItsRun) {
  std::set<uint64_t> fingerprints;
  for (uint64_t seed = 0; seed < 100; ++seed) {
    const Outcome outcome = RunThreads(seed, 0);
    EXPECT_EQ(RunThreads(seed, 0), outcome);
    EXPECT_EQ(RunThreads(seed, 11), RunThreads(seed, 11));
    fingerprints.insert(outcome.fingerprint);
  }
  EXPECT_EQ(fingerprints.size(), 100U);
}

TEST(SimInterleavingTest, OverlappingWritesEndInVariousWays) {
  std::set<std::vector<std::byte>> contents;
  for (uint64_t seed = 0; seed < 100; ++seed) contents.insert(RunThreads(seed, 0).content);
  EXPECT_GT(contents.size(), 3U);
}

}  // namespace
}  // namespace baton::sim
