// What a crash keeps, loses and tears.
#include <set>

#include "tests/simulation/disk.h"

namespace baton::sim {
namespace {

TEST(SimCrashTest, APowerCutKeepsLosesOrTearsWhatWasNotSynced) {
  std::set<size_t> kept;
  for (uint64_t seed = 0; seed < 300; ++seed) {
    Disk disk(seed);
    EXPECT_OK(disk.Open()->Write(kBlock, kNew, WriteMode::kCached));
    disk.Crash(CrashKind::kPower);
    kept.insert(disk.Kept(kBlock, kNew, kZeros));
  }
  EXPECT_TRUE(kept.contains(0));
  EXPECT_TRUE(kept.contains(kAll));
  EXPECT_GT(kept.size(), kAll / 2);
}

TEST(SimCrashTest, WhatWasSyncedStays) {
  for (uint64_t seed = 0; seed < 300; ++seed) {
    Disk disk(seed);
    const auto file = disk.Open();
    EXPECT_OK(file->Write(kBlock, kNew, WriteMode::kCached));
    EXPECT_OK(file->Sync());
    disk.Crash(CrashKind::kPower);
    EXPECT_EQ(disk.Kept(kBlock, kNew, kZeros), kAll);
  }
}

TEST(SimCrashTest, ADurableWriteStaysAndWhatItReplacedDoesNotComeBack) {
  for (uint64_t seed = 0; seed < 300; ++seed) {
    Disk disk(seed);
    const auto file = disk.Open();
    EXPECT_OK(file->Write(kBlock, kNew, WriteMode::kCached));
    EXPECT_OK(file->Write(kBlock, kNewer, WriteMode::kDurable));
    disk.Crash(CrashKind::kPower);
    EXPECT_EQ(disk.Kept(kBlock, kNewer, kNew), kAll);
  }
}

TEST(SimCrashTest, AnyVersionOfASectorSinceTheDurableOneMayRemain) {
  std::set<size_t> newer;
  for (uint64_t seed = 0; seed < 300; ++seed) {
    Disk disk(seed);
    const auto file = disk.Open();
    EXPECT_OK(file->Write(kBlock, kNew, WriteMode::kDurable));
    EXPECT_OK(file->Write(kBlock, kNewer, WriteMode::kCached));
    disk.Crash(CrashKind::kPower);
    newer.insert(disk.Kept(kBlock, kNewer, kNew));
  }
  EXPECT_TRUE(newer.contains(0));
  EXPECT_TRUE(newer.contains(kAll));
}

TEST(SimCrashTest, TheDeathOfAProcessLosesNothingThatCompleted) {
  for (uint64_t seed = 0; seed < 100; ++seed) {
    Disk disk(seed);
    EXPECT_OK(disk.Open()->Write(kBlock, kNew, WriteMode::kCached));
    disk.Crash(CrashKind::kProcess);
    EXPECT_EQ(disk.Kept(kBlock, kNew, kZeros), kAll);
    // But it is still not durable.
    disk.Crash(CrashKind::kPower);
    disk.Kept(kBlock, kNew, kZeros);
  }
}

TEST(SimCrashTest, TheDeathOfANodeLosesThePageCacheOnly) {
  std::set<size_t> kept;
  for (uint64_t seed = 0; seed < 100; ++seed) {
    Disk disk(seed);
    EXPECT_OK(disk.Open()->Write(0, kNew, WriteMode::kCached));
    const auto cached = Must(disk.machine.storage().Open("f", {}));
    EXPECT_OK(cached->Write(2 * kBlock, kNewer, WriteMode::kCached));
    disk.Crash(CrashKind::kNode);
    EXPECT_EQ(disk.Kept(0, kNew, kZeros), kAll);
    kept.insert(disk.Kept(2 * kBlock, kNewer, kZeros));
  }
  EXPECT_TRUE(kept.contains(0));
  EXPECT_TRUE(kept.contains(kAll));
}

TEST(SimCrashTest, AWriteInFlightHappensInWholeOrInPartOrNot) {
  for (const CrashKind kind : {CrashKind::kPower, CrashKind::kProcess}) {
    std::set<size_t> kept;
    for (uint64_t seed = 0; seed < 300; ++seed) {
      Disk disk(seed);
      disk.machine.steps().CrashAt(disk.first_step, kind);
      EXPECT_CODE(disk.Open()->Write(kBlock, kNew, WriteMode::kDurable), kAborted);
      disk.machine.Restart();
      kept.insert(disk.Kept(kBlock, kNew, kZeros));
    }
    EXPECT_TRUE(kept.contains(0));
    EXPECT_TRUE(kept.contains(kAll));
    EXPECT_GT(kept.size(), kAll / 2);
  }
}

TEST(SimCrashTest, AfterTheCrashNothingHasAnEffect) {
  Disk disk(1);
  const auto file = disk.Open();
  disk.machine.steps().CrashNow(CrashKind::kPower);
  std::vector<std::byte> buffer(kBlock);
  EXPECT_CODE(file->Write(0, kNew, WriteMode::kDurable), kAborted);
  EXPECT_CODE(file->Read(0, buffer), kAborted);
  EXPECT_CODE(disk.machine.storage().Remove("f"), kAborted);
  EXPECT_CODE(disk.machine.storage().Open("f", {}), kAborted);
  disk.machine.Restart();
  EXPECT_CODE(file->Write(0, kNew, WriteMode::kDurable), kAborted);
  EXPECT_EQ(disk.Kept(0, kNew, kZeros), 0U);
  EXPECT_OK(disk.Open()->Write(0, kNew, WriteMode::kDurable));
}

// Only what had completed before the sync was issued is covered by it.
TEST(SimCrashTest, ASyncDoesNotCoverWhatIsInFlight) {
  bool lost = false;
  for (uint64_t seed = 0; seed < 300; ++seed) {
    Disk disk(seed);
    SimRuntime& runtime = disk.machine.runtime();
    const auto file = disk.Open();
    runtime.Run([&] {
      const auto writer = runtime.StartThread(
          "writer", [&] { EXPECT_OK(file->Write(0, kNew, WriteMode::kCached)); });
      runtime.Yield();
      EXPECT_OK(file->Sync());
    });
    disk.Crash(CrashKind::kPower);
    lost |= disk.Kept(0, kNew, kZeros) < kAll;
  }
  EXPECT_TRUE(lost);
}

TEST(SimCrashTest, SideWritesInFlightAreIndependent) {
  std::set<std::pair<bool, bool>> seen;
  for (uint64_t seed = 0; seed < 300; ++seed) {
    Disk disk(seed);
    const auto file = disk.Open();
    disk.machine.steps().CrashAt(disk.first_step + seed % 2, CrashKind::kPower);
    const auto half = Bytes(kNew).first(kBlock);
    const SideWrite writes[] = {{file.get(), 0, half}, {file.get(), 2 * kBlock, half}};
    EXPECT_CODE(disk.machine.storage().WriteSideBySide(writes), kAborted);
    disk.machine.Restart();
    const std::vector<std::byte> data(half.begin(), half.end());
    seen.emplace(disk.Kept(0, data, kZeros) > 0, disk.Kept(2 * kBlock, data, kZeros) > 0);
  }
  EXPECT_EQ(seen.size(), 4U);
}

TEST(SimCrashTest, SideWritesAreDurableOnReturn) {
  for (uint64_t seed = 0; seed < 100; ++seed) {
    Disk disk(seed);
    const auto file = disk.Open();
    const SideWrite writes[] = {{file.get(), 0, kNew}, {file.get(), 2 * kBlock, kNewer}};
    EXPECT_OK(disk.machine.storage().WriteSideBySide(writes));
    disk.Crash(CrashKind::kPower);
    EXPECT_EQ(disk.Kept(0, kNew, kZeros), kAll);
    EXPECT_EQ(disk.Kept(2 * kBlock, kNewer, kZeros), kAll);
  }
}

TEST(SimCrashTest, AFileThatGrewIsAsLongAsItsSyncedData) {
  std::set<size_t> sizes;
  for (uint64_t seed = 0; seed < 200; ++seed) {
    Disk disk(seed);
    const auto file = disk.Open();
    EXPECT_OK(file->Write(4 * kBlock, kNew, WriteMode::kDurable));
    EXPECT_OK(file->Write(6 * kBlock, kNew, WriteMode::kCached));
    disk.Crash(CrashKind::kPower);
    EXPECT_EQ(disk.Kept(4 * kBlock, kNew, kZeros), kAll);
    sizes.insert(disk.machine.storage().Peek("f").size());
  }
  EXPECT_EQ(*sizes.begin(), 6 * kBlock);
  EXPECT_EQ(*sizes.rbegin(), 8 * kBlock);
}

TEST(SimCrashTest, ADurableWriteWithinAnUnsyncedSizeKeepsTheSize) {
  for (uint64_t seed = 0; seed < 100; ++seed) {
    Disk disk(seed);
    const auto file = disk.Open();
    EXPECT_OK(file->Truncate(8 * kBlock));
    EXPECT_OK(file->Write(6 * kBlock, kNew, WriteMode::kDurable));
    disk.Crash(CrashKind::kPower);
    EXPECT_EQ(disk.Kept(6 * kBlock, kNew, kZeros), kAll);
  }
}

TEST(SimCrashTest, AnUnsyncedHoleMayFillAgain) {
  std::set<size_t> kept;
  for (uint64_t seed = 0; seed < 300; ++seed) {
    Disk disk(seed);
    const auto file = disk.Open();
    EXPECT_OK(file->Write(0, kNew, WriteMode::kDurable));
    EXPECT_OK(file->PunchHole(0, 2 * kBlock));
    if (seed % 3 == 0) {
      EXPECT_OK(file->Sync());
    }
    disk.Crash(CrashKind::kPower);
    const size_t data = disk.Kept(0, kNew, kZeros);
    if (seed % 3 == 0) {
      EXPECT_EQ(data, 0U);
      EXPECT_EQ(Must(disk.Open()->AllocatedBytes()), 0U);
    }
    kept.insert(data);
  }
  EXPECT_TRUE(kept.contains(0));
  EXPECT_TRUE(kept.contains(kAll));
}

// ---- names ----

TEST(SimCrashTest, UnsyncedNamesAreKeptUpToSomePoint) {
  std::set<std::vector<std::string>> seen;
  for (uint64_t seed = 0; seed < 300; ++seed) {
    Disk disk(seed);
    Storage& storage = disk.machine.storage();
    EXPECT_OK(storage.Open("a", {.create = true}));
    EXPECT_OK(storage.Rename("a", "b"));
    EXPECT_OK(storage.Open("c", {.create = true}));
    disk.Crash(CrashKind::kPower);
    seen.insert(Must(storage.List("")));
  }
  const std::set<std::vector<std::string>> expected = {
      {"f"}, {"a", "f"}, {"b", "f"}, {"b", "c", "f"}};
  EXPECT_EQ(seen, expected);
}

TEST(SimCrashTest, SyncedNamesStay) {
  for (uint64_t seed = 0; seed < 100; ++seed) {
    Disk disk(seed);
    Storage& storage = disk.machine.storage();
    EXPECT_OK(storage.MakeDirectory("d"));
    EXPECT_OK(storage.Open("d/a", {.create = true}));
    EXPECT_OK(storage.SyncDirectory(""));
    EXPECT_OK(storage.SyncDirectory("d"));
    EXPECT_OK(storage.Remove("f"));
    EXPECT_OK(storage.SyncDirectory(""));
    disk.Crash(CrashKind::kPower);
    EXPECT_THAT(Must(storage.List("")), testing::ElementsAre("d"));
    EXPECT_THAT(Must(storage.List("d")), testing::ElementsAre("a"));
  }
}

TEST(SimCrashTest, ARenameBetweenDirectoriesIsKeptInBothOrNone) {
  std::set<bool> moved;
  for (uint64_t seed = 0; seed < 100; ++seed) {
    Disk disk(seed);
    Storage& storage = disk.machine.storage();
    EXPECT_OK(storage.MakeDirectory("d"));
    EXPECT_OK(storage.SyncDirectory(""));
    EXPECT_OK(storage.Rename("f", "d/g"));
    if (seed % 2 == 0) {
      EXPECT_OK(storage.SyncDirectory("d"));
    }
    disk.Crash(CrashKind::kPower);
    const bool there = Must(storage.Exists("d/g"));
    EXPECT_NE(there, Must(storage.Exists("f")));
    if (seed % 2 == 0) {
      EXPECT_TRUE(there);
    }
    moved.insert(there);
  }
  EXPECT_EQ(moved.size(), 2U);
}

}  // namespace
}  // namespace baton::sim
