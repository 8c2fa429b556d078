#include "engine/meta/epoch_directory.h"

#include <map>

#include "engine/base/limits.h"
#include "engine/meta/epoch_name.h"
#include "engine/meta/file_copy.h"
#include "tests/base/testing.h"
#include "tests/sim/sim_machine.h"

namespace baton {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsSupersetOf;

// The files of a store, as RocksDB names them, and what the copy must have.
const std::map<std::string, std::string>& StoreFiles() {
  static const auto& files = *new std::map<std::string, std::string>{
      {"000009.log", std::string(1'100'000, 'l')},  {"000011.log", "the newest log"},
      {"000007.sst", std::string(70'000, 's')},     {"000008.sst", "another table"},
      {"MANIFEST-000005", std::string(5'000, 'm')}, {"CURRENT", "MANIFEST-000005\n"}};
  return files;
}

class EpochDirectoryTest : public testing::Test {
 protected:
  static void MakeStore(Storage& storage, const std::string& directory) {
    for (const auto& [name, content] : StoreFiles()) {
      ASSERT_OK(WriteNewFile(storage, directory + "/" + name, content));
    }
    ASSERT_OK(WriteNewFile(storage, directory + "/MANIFEST-000001", "an old one"));
    ASSERT_OK(WriteNewFile(storage, directory + "/LOG", "what RocksDB has to say"));
    ASSERT_OK(storage.SyncDirectory(directory));
  }
  // Epoch 1, as its owner leaves it.
  static void MakeFirstEpoch(Storage& storage) {
    ASSERT_OK(storage.MakeDirectory("meta"));
    ASSERT_OK(SealAndCopy(storage, 0, 1));
    MakeStore(storage, EpochDirectory(1));
    ASSERT_OK(ProveEpoch(storage, 1));
    ASSERT_OK(storage.SyncDirectory(""));
  }
  static absl::Status Claim(Storage& storage, uint64_t epoch) {
    const absl::StatusOr<uint64_t> from = LatestEpoch(storage);
    if (!from.ok()) return from.status();
    const absl::Status status = SealAndCopy(storage, *from, epoch);
    return status.ok() ? ProveEpoch(storage, epoch) : status;
  }
  static void ExpectStore(sim::SimStorage& storage, uint64_t epoch) {
    const std::string directory = EpochDirectory(epoch);
    std::vector<std::string> names;
    for (const auto& [name, content] : StoreFiles()) {
      EXPECT_EQ(storage.Peek(directory + "/" + name), BytesOf(content)) << name;
      names.push_back(name);
    }
    EXPECT_THAT(Must(storage.List(directory)), testing::UnorderedElementsAreArray(names));
  }

  void Run(const std::function<void()>& body) {
    machine_.runtime().Run([&] {
      MakeFirstEpoch(storage_);
      body();
    });
  }

  sim::SimMachine machine_{1};
  sim::SimStorage& storage_ = machine_.storage();
};

TEST(EpochNameTest, OnlyExactNamesAreParsed) {
  EXPECT_EQ(ParseEpochName("epoch-7", ""), 7U);
  EXPECT_EQ(ParseEpochName("epoch-18446744073709551615", ""), UINT64_MAX);
  EXPECT_EQ(ParseEpochName("epoch-7.sealed", ".sealed"), 7U);
  for (const char* name : {"", "epoch-", "epoch-0", "epoch-07", "epoch-+7", "epoch-7x", "xepoch-7",
                           "epoch-7.sealed", "epoch-18446744073709551616", "Epoch-7"}) {
    EXPECT_EQ(ParseEpochName(name, ""), std::nullopt) << name;
  }
  EXPECT_EQ(ParseEpochName("epoch-.sealed", ".sealed"), std::nullopt);
}

TEST_F(EpochDirectoryTest, APoolBeginsWithoutAnEpoch) {
  machine_.runtime().Run([&] {
    ASSERT_OK(storage_.MakeDirectory("meta"));
    EXPECT_EQ(Must(LatestEpoch(storage_)), 0U);
    ASSERT_OK(SealAndCopy(storage_, 0, 1));
    EXPECT_EQ(Must(LatestEpoch(storage_)), 0U) << "it is not proven yet";
    ASSERT_OK(ProveEpoch(storage_, 1));
    EXPECT_EQ(Must(LatestEpoch(storage_)), 1U);
    EXPECT_THAT(Must(storage_.List("meta")), ElementsAre("epoch-1"));
  });
}

TEST_F(EpochDirectoryTest, TheNextEpochHasWhatTheOldOneHad) {
  Run([&] {
    ASSERT_OK(Claim(storage_, 2));
    EXPECT_EQ(Must(LatestEpoch(storage_)), 2U);
    EXPECT_THAT(Must(storage_.List("meta")), ElementsAre("epoch-1.sealed", "epoch-2"));
    ExpectStore(storage_, 2);
  });
}

TEST_F(EpochDirectoryTest, WhatTheOldOwnerStillWritesDoesNotReachTheNewEpoch) {
  Run([&] {
    const auto log = Must(storage_.Open("meta/epoch-1/000011.log", {}));
    const auto manifest = Must(storage_.Open("meta/epoch-1/MANIFEST-000005", {}));
    ASSERT_OK(Claim(storage_, 2));
    ASSERT_OK(log->Write(0, BytesOf("garbage"), WriteMode::kDurable));
    ASSERT_OK(manifest->Write(0, BytesOf("garbage"), WriteMode::kDurable));
    EXPECT_CODE(storage_.Open("meta/epoch-1/000012.log", {.create = true}), kNotFound);
    ExpectStore(storage_, 2);
  });
}

TEST_F(EpochDirectoryTest, TwoSealedEpochsAreKept) {
  Run([&] {
    for (uint64_t epoch = 2; epoch <= 6; ++epoch) {
      ASSERT_OK(Claim(storage_, epoch));
    }
    EXPECT_THAT(Must(storage_.List("meta")),
                ElementsAre("epoch-4.sealed", "epoch-5.sealed", "epoch-6"));
    ExpectStore(storage_, 6);
  });
}

TEST_F(EpochDirectoryTest, OnAFullStorageTheOldestEpochMakesRoomForTheNextOne) {
  Run([&] {
    for (uint64_t epoch = 2; epoch <= 4; ++epoch) ASSERT_OK(Claim(storage_, epoch));
    const auto ballast = Must(storage_.Open("ballast", {.create = true}));
    for (uint64_t epoch = 5; epoch <= 9; ++epoch) {
      const uint64_t free_bytes = Must(storage_.FreeBytes());
      const uint64_t kept_bytes = Must(ballast->SizeBytes());
      ASSERT_OK(ballast->Allocate(kept_bytes, free_bytes - 64 * limits::kKiB));
      ASSERT_OK(Claim(storage_, epoch));
      ExpectStore(storage_, epoch);
    }
  });
}

TEST_F(EpochDirectoryTest, AnEpochThatWasNotProvenLeavesNoTrace) {
  Run([&] {
    ASSERT_OK(SealAndCopy(storage_, 1, 2));
    ASSERT_OK(WriteNewFile(storage_, "meta/epoch-2/000099.log", "from a store cut short"));
    EXPECT_EQ(Must(LatestEpoch(storage_)), 1U);
    ASSERT_OK(Claim(storage_, 3));
    EXPECT_THAT(Must(storage_.List("meta")), ElementsAre("epoch-1.sealed", "epoch-3"));
    ExpectStore(storage_, 3);
  });
}

TEST_F(EpochDirectoryTest, AStaleCopyIsRemoved) {
  Run([&] {
    for (const char* path : {"meta/epoch-2.tmp", "meta/epoch-3.tmp"}) {
      ASSERT_OK(storage_.MakeDirectory(path));
      ASSERT_OK(WriteNewFile(storage_, std::string(path) + "/000009.log", "half of it"));
    }
    ASSERT_OK(Claim(storage_, 3));
    EXPECT_THAT(Must(storage_.List("meta")), ElementsAre("epoch-1.sealed", "epoch-3"));
    ExpectStore(storage_, 3);
  });
}

TEST_F(EpochDirectoryTest, ForeignNamesAreLeftAlone) {
  Run([&] {
    ASSERT_OK(storage_.MakeDirectory("meta/epoch-07"));
    ASSERT_OK(WriteNewFile(storage_, "meta/README", "x"));
    ASSERT_OK(Claim(storage_, 2));
    EXPECT_THAT(Must(storage_.List("meta")), IsSupersetOf({"README", "epoch-07"}));
  });
}

TEST_F(EpochDirectoryTest, ACopyBeginsAgainWhenAFileVanishesUnderneath) {
  Run([&] {
    machine_.steps().Inject({.matches =
                                 [](const sim::Operation& operation) {
                                   return operation.path == "meta/epoch-1.sealed/000009.log";
                                 },
                             .status = absl::NotFoundError("gone")});
    ASSERT_OK(Claim(storage_, 2));
    ExpectStore(storage_, 2);
  });
}

TEST_F(EpochDirectoryTest, ACopyDoesNotBeginAgainForEver) {
  Run([&] {
    int attempts = 0;
    machine_.steps().Inject({.matches =
                                 [&](const sim::Operation& operation) {
                                   const bool hit =
                                       operation.path == "meta/epoch-1.sealed/000009.log";
                                   attempts += hit;
                                   return hit;
                                 },
                             .status = absl::NotFoundError("gone"),
                             .sticky = true});
    EXPECT_CODE(Claim(storage_, 2), kNotFound);
    EXPECT_EQ(attempts, limits::kEpochCopyAttempts);
  });
}

TEST_F(EpochDirectoryTest, TablesAreCopiedWhereThereAreNoHardLinks) {
  Run([&] {
    machine_.steps().Inject({.matches = sim::Matching(sim::OperationKind::kLink),
                             .status = absl::UnimplementedError("no links here"),
                             .sticky = true});
    ASSERT_OK(Claim(storage_, 2));
    ExpectStore(storage_, 2);
  });
}

TEST_F(EpochDirectoryTest, AStoreWithoutCurrentOrWithAGarbledOneIsRefused) {
  Run([&] {
    storage_.Poke("meta/epoch-1/CURRENT", 3, BytesOf("?"));
    const absl::Status garbled = Claim(storage_, 2);
    EXPECT_CODE(garbled, kDataLoss);
    EXPECT_THAT(std::string(garbled.message()), HasSubstr("CURRENT"));
    ASSERT_OK(storage_.Remove("meta/epoch-1.sealed/CURRENT"));
    const absl::Status missing = Claim(storage_, 3);
    EXPECT_CODE(missing, kDataLoss);
    EXPECT_THAT(std::string(missing.message()), HasSubstr("CURRENT"));
    EXPECT_EQ(Must(LatestEpoch(storage_)), 1U);
  });
}

// Runs `claim` of the next epochs until one succeeds; the epoch that did.
uint64_t ClaimUntilItWorks(sim::SimMachine& machine, uint64_t epoch,
                           const std::function<absl::Status(uint64_t)>& claim) {
  bool done = false;
  while (!done) {
    machine.runtime().Run([&] { done = claim(epoch).ok(); });
    if (machine.steps().crashed()) machine.Restart();
    if (!done) ++epoch;
  }
  return epoch;
}

// A crash at every step, then one at every step of what comes after it.
TEST_F(EpochDirectoryTest, AnyCrashLeavesWhatTheNextClaimContinuesFrom) {
  uint64_t crashes = 0;
  const auto try_crashes = [&](uint64_t seed, sim::CrashKind kind, uint64_t first,
                               uint64_t second) {
    sim::SimMachine machine(seed);
    machine.runtime().Run([&] { MakeFirstEpoch(machine.storage()); });
    const uint64_t steps_before = machine.steps().count();
    machine.steps().CrashAt(steps_before + first, kind);
    bool armed_second = false;
    bool crashed = false;
    const uint64_t epoch = ClaimUntilItWorks(machine, 2, [&](uint64_t next) {
      if (next > 2 && !armed_second) {
        armed_second = true;
        machine.steps().CrashAt(machine.steps().count() + second, kind);
      }
      const absl::Status status = Claim(machine.storage(), next);
      crashed = crashed || machine.steps().crashed();
      crashes += machine.steps().crashed();
      return status;
    });
    machine.Restart();
    machine.runtime().Run([&] {
      EXPECT_EQ(Must(LatestEpoch(machine.storage())), epoch);
      ExpectStore(machine.storage(), epoch);
    });
    return crashed;
  };
  for (const sim::CrashKind kind : {sim::CrashKind::kPower, sim::CrashKind::kProcess}) {
    bool crashed = true;
    for (uint64_t step = 1; crashed && !HasFailure(); ++step) {
      crashed = false;
      for (uint64_t seed = 0; seed < 8; ++seed) {
        crashed |= try_crashes(seed, kind, step, 1 + (seed * 7 + step) % 60);
      }
    }
  }
  EXPECT_GT(crashes, 400U);
}

TEST_F(EpochDirectoryTest, AfterAnErrorAtAnyStepTheNextClaimContinues) {
  bool failed = true;
  uint64_t failures = 0;
  for (uint64_t skip = 0; failed && !HasFailure(); ++skip) {
    sim::SimMachine machine(skip);
    machine.runtime().Run([&] {
      MakeFirstEpoch(machine.storage());
      machine.steps().Inject(
          {.matches = {}, .skip = skip, .status = absl::DataLossError("input/output error")});
      failed = !Claim(machine.storage(), 2).ok();
      machine.steps().ClearFaults();
      const uint64_t epoch = failed ? 3 : 2;
      if (failed) {
        ASSERT_OK(Claim(machine.storage(), epoch));
      }
      EXPECT_EQ(Must(LatestEpoch(machine.storage())), epoch);
      ExpectStore(machine.storage(), epoch);
    });
    failures += failed;
  }
  EXPECT_GT(failures, 20U);
}

}  // namespace
}  // namespace baton
