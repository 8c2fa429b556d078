#include "engine/meta/pool_file.h"

#include "engine/base/checksum.h"
#include "engine/base/limits.h"
#include "engine/base/posix_storage.h"
#include "engine/base/system_runtime.h"
#include "tests/base/temporary_directory.h"
#include "tests/base/testing.h"
#include "tests/meta/flip.h"
#include "tests/sim/sim_machine.h"

namespace baton {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr char kPoolId[] = "0123456789abcdef0123456789abcdef";
constexpr uint64_t kLogBytes = limits::kLogEntries * (limits::kBlockBytes + limits::kLogDataBytes);

class PoolFileTest : public testing::Test {
 protected:
  absl::Status Init() { return InitPool(*storage_, DURABILITY_SYNC, runtime_, kPoolId); }
  std::filesystem::path PoolFile() const { return directory_.path() + "/pool.pb"; }
  void Write(const std::string& name, const std::string& content) {
    std::ofstream(directory_.path() + "/" + name, std::ios::binary) << content;
  }

  TemporaryDirectory directory_;
  SystemRuntime runtime_;
  const std::unique_ptr<PosixStorage> storage_ = Must(PosixStorage::Open(directory_.path()));
};

TEST_F(PoolFileTest, AnEmptyDirectoryBecomesAPool) {
  const int64_t before_us = absl::ToUnixMicros(runtime_.WallTime());
  ASSERT_OK(Init());
  const PoolRecord record = Must(ReadPool(*storage_));
  EXPECT_EQ(record.format_version(), kPoolFormatVersion);
  EXPECT_EQ(record.pool_id(), kPoolId);
  EXPECT_EQ(record.durability(), DURABILITY_SYNC);
  EXPECT_GE(record.created_unix_us(), before_us);
  EXPECT_THAT(Must(storage_->List("")),
              ElementsAre("intents", "lease", "meta", "pool.pb", "volumes"));
  const auto intents = Must(storage_->Open("intents", {.read_only = true}));
  EXPECT_EQ(Must(intents->SizeBytes()), kLogBytes);
  EXPECT_EQ(Must(intents->AllocatedBytes()), kLogBytes);
}

TEST_F(PoolFileTest, EveryPoolHasAnIdOfItsOwn) {
  EXPECT_NE(RandomPoolId(), RandomPoolId());
  EXPECT_THAT(RandomPoolId(), testing::MatchesRegex("[0-9a-f]{32}"));
}

TEST_F(PoolFileTest, APoolIsNotMadeTwice) {
  ASSERT_OK(Init());
  EXPECT_CODE(Init(), kAlreadyExists);
  EXPECT_EQ(Must(ReadPool(*storage_)).pool_id(), kPoolId);
}

TEST_F(PoolFileTest, ADirectoryThatIsNotEmptyIsRefusedByTheNameOfWhatIsInIt) {
  Write("holiday.jpg", "x");
  const absl::Status status = Init();
  EXPECT_CODE(status, kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("holiday.jpg"));
  EXPECT_THAT(Must(storage_->List("")), ElementsAre("holiday.jpg"));
}

TEST_F(PoolFileTest, ADirectoryOfVolumesWithoutAPoolFileIsRefused) {
  std::filesystem::create_directory(directory_.path() + "/volumes");
  Write("volumes/a", "x");
  EXPECT_CODE(Init(), kFailedPrecondition);
}

TEST_F(PoolFileTest, AUsersFilesOfThePoolsNamesAreTheirsAndRefused) {
  const std::string content = "what I mean to do";
  for (const char* name : {"intents", "pool.pb.tmp"}) {
    Write(name, content);
    const absl::Status status = Init();
    EXPECT_CODE(status, kFailedPrecondition);
    EXPECT_THAT(std::string(status.message()), HasSubstr(name));
    EXPECT_THAT(Must(storage_->List("")), ElementsAre(name)) << "nothing else was made";
    EXPECT_EQ(std::filesystem::file_size(directory_.path() + "/" + name), content.size());
    ASSERT_OK(storage_->Remove(name));
  }
  std::filesystem::create_directory(directory_.path() + "/intents");
  EXPECT_CODE(Init(), kFailedPrecondition);
}

TEST_F(PoolFileTest, AnEmptyPoolFileIsNoPoolAndIsReplaced) {
  Write("pool.pb", "");
  ASSERT_OK(Init());
  EXPECT_EQ(Must(ReadPool(*storage_)).pool_id(), kPoolId);
}

TEST_F(PoolFileTest, AnEmptyPoolFileBesideVolumesIsLeftAlone) {
  Write("pool.pb", "");
  std::filesystem::create_directory(directory_.path() + "/volumes");
  Write("volumes/a", "x");
  EXPECT_CODE(Init(), kFailedPrecondition);
  EXPECT_THAT(Must(storage_->List("")), ElementsAre("pool.pb", "volumes"));
}

TEST_F(PoolFileTest, TheRootOfAFileSystemIsEmptyEnough) {
  std::filesystem::create_directory(directory_.path() + "/lost+found");
  EXPECT_OK(Init());
}

TEST_F(PoolFileTest, AnEmptyDirectoryIsNoPool) { EXPECT_CODE(ReadPool(*storage_), kNotFound); }

TEST_F(PoolFileTest, EveryFlippedByteIsDetectedAndTheFileNamed) {
  ASSERT_OK(Init());
  for (uint64_t offset = 0; offset < std::filesystem::file_size(PoolFile()); ++offset) {
    FlipByte(PoolFile(), offset);
    const absl::Status status = ReadPool(*storage_).status();
    ASSERT_EQ(status.code(), absl::StatusCode::kDataLoss) << offset;
    EXPECT_THAT(std::string(status.message()), HasSubstr("pool.pb"));
    FlipByte(PoolFile(), offset);
  }
  EXPECT_OK(ReadPool(*storage_));
}

TEST_F(PoolFileTest, AnotherLengthIsDetected) {
  ASSERT_OK(Init());
  const uint64_t size = std::filesystem::file_size(PoolFile());
  for (uint64_t length = size + 3; length-- > 0;) {
    if (length == size) continue;
    std::filesystem::resize_file(PoolFile(), length);
    ASSERT_EQ(ReadPool(*storage_).status().code(), absl::StatusCode::kDataLoss) << length;
  }
}

TEST_F(PoolFileTest, ANewerFormatIsNotTakenForAGarbledOne) {
  PoolRecord record;
  record.set_format_version(kPoolFormatVersion + 1);
  SealedBytes sealed;
  sealed.set_payload(record.SerializeAsString());
  sealed.set_xxh3(Checksum64(BytesOf(sealed.payload())));
  Write("pool.pb", sealed.SerializeAsString());
  const absl::Status status = ReadPool(*storage_).status();
  EXPECT_CODE(status, kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("format 4"));
}

class OldPool : public testing::Test {
 protected:
  // A pool of format 1, as an older program has made it.
  static void Make(sim::SimMachine& machine) {
    ASSERT_OK(InitPool(machine.storage(), DURABILITY_SYNC, machine.runtime(), kPoolId));
    PoolRecord record = Must(ReadPool(machine.storage()));
    record.set_format_version(1);
    SealedBytes sealed;
    sealed.set_payload(record.SerializeAsString());
    sealed.set_xxh3(Checksum64(BytesOf(sealed.payload())));
    const std::unique_ptr<File> file = Must(machine.storage().Open(kPoolPath, {}));
    ASSERT_OK(file->Write(0, BytesOf(sealed.SerializeAsString()), WriteMode::kDurable));
    const std::unique_ptr<File> intents = Must(machine.storage().Open(kIntentsPath, {}));
    ASSERT_OK(intents->Truncate(kOldBytes));
    ASSERT_OK(intents->Sync());
  }
  static constexpr uint64_t kOldBytes = 256 * limits::kBlockBytes;
};

TEST_F(OldPool, IsReadAndGrowsWithItsRing) {
  sim::SimMachine machine(1);
  machine.runtime().Run([&] {
    Make(machine);
    EXPECT_EQ(Must(ReadPool(machine.storage())).format_version(), 1u);
    ASSERT_OK(RenewIntents(machine.storage()));
    const PoolRecord record = Must(ReadPool(machine.storage()));
    EXPECT_EQ(record.format_version(), kPoolFormatVersion);
    EXPECT_EQ(record.pool_id(), kPoolId);
    EXPECT_EQ(record.durability(), DURABILITY_SYNC);
  });
  EXPECT_EQ(machine.storage().Peek(kIntentsPath), std::vector<std::byte>(kLogBytes));
}

// After a power cut at any step there is the old log or the new one, and growing can begin again.
TEST_F(OldPool, ACrashWhileItGrowsLeavesTheOldRingOrTheNewOne) {
  bool crashed = true;
  int old_rings = 0;
  for (uint64_t step = 1; crashed; ++step) {
    for (uint64_t seed = 0; seed < 5; ++seed) {
      sim::SimMachine machine(seed);
      machine.runtime().Run([&] { Make(machine); });
      machine.steps().CrashAt(machine.steps().count() + step, sim::CrashKind::kPower);
      machine.runtime().Run([&] { RenewIntents(machine.storage()).IgnoreError(); });
      crashed = machine.steps().crashed();
      machine.Restart();
      machine.runtime().Run([&] {
        const uint64_t size = machine.storage().Peek(kIntentsPath).size();
        ASSERT_TRUE(size == kOldBytes || size == kLogBytes) << size;
        old_rings += size == kOldBytes;
        ASSERT_EQ(Must(ReadPool(machine.storage())).pool_id(), kPoolId);
        ASSERT_OK(RenewIntents(machine.storage()));
        ASSERT_EQ(Must(ReadPool(machine.storage())).format_version(), kPoolFormatVersion);
      });
    }
  }
  EXPECT_GT(old_rings, 10);
}

// The intent log of format 2 is ours.
TEST_F(PoolFileTest, TheFormatIsRaisedAndNothingElseChanges) {
  ASSERT_OK(Init());
  PoolRecord record = Must(ReadPool(*storage_));
  record.set_format_version(2);
  SealedBytes sealed;
  sealed.set_payload(record.SerializeAsString());
  sealed.set_xxh3(Checksum64(BytesOf(sealed.payload())));
  Write("pool.pb", sealed.SerializeAsString());
  ASSERT_OK(RaiseFormat(*storage_));
  ASSERT_OK(RaiseFormat(*storage_));
  const PoolRecord raised = Must(ReadPool(*storage_));
  EXPECT_EQ(raised.format_version(), kPoolFormatVersion);
  EXPECT_EQ(raised.pool_id(), record.pool_id());
  EXPECT_EQ(raised.created_unix_us(), record.created_unix_us());
}

// Whatever fails (a full storage at any step): a pool, or the directory as it was.
TEST(PoolCrashTest, AnErrorLeavesAPoolOrNothing) {
  absl::Status status = absl::UnknownError("not tried yet");
  for (uint64_t step = 1; !status.ok(); ++step) {
    sim::SimMachine machine(step);
    machine.steps().Inject(
        {.matches = {}, .skip = step - 1, .status = absl::ResourceExhaustedError("no space left")});
    machine.runtime().Run([&] {
      status = InitPool(machine.storage(), DURABILITY_NODE, machine.runtime(), kPoolId);
      machine.steps().ClearFaults();
      if (status.ok()) {
        EXPECT_EQ(Must(ReadPool(machine.storage())).pool_id(), kPoolId);
      } else {
        EXPECT_THAT(Must(machine.storage().List("")), testing::IsEmpty()) << step;
      }
    });
    ASSERT_LT(step, 1000u);
  }
}

// After a power cut at any step the directory is a pool, or making one can begin again.
TEST(PoolCrashTest, ACrashLeavesAPoolOrNone) {
  bool crashed = true;
  int pools = 0, none = 0;
  for (uint64_t step = 1; crashed; ++step) {
    for (uint64_t seed = 0; seed < 20; ++seed) {
      sim::SimMachine machine(seed);
      const auto init = [&] {
        return InitPool(machine.storage(), DURABILITY_NODE, machine.runtime(), kPoolId);
      };
      machine.steps().CrashAt(step, sim::CrashKind::kPower);
      machine.runtime().Run([&] { init().IgnoreError(); });
      crashed = machine.steps().crashed();
      machine.Restart();
      machine.runtime().Run([&] {
        const absl::StatusOr<PoolRecord> record = ReadPool(machine.storage());
        if (!record.ok()) {
          ASSERT_TRUE(absl::IsNotFound(record.status()));
          ASSERT_OK(init());
          ++none;
        }
        pools += record.ok();
        ASSERT_EQ(Must(ReadPool(machine.storage())).pool_id(), kPoolId);
        for (const char* path : {"volumes", "meta", "lease"}) {
          ASSERT_TRUE(Must(machine.storage().Exists(path)));
        }
        ASSERT_EQ(machine.storage().Peek("intents").size(), kLogBytes);
      });
    }
  }
  EXPECT_GT(pools, 10);
  EXPECT_GT(none, 100);
}

}  // namespace
}  // namespace baton
