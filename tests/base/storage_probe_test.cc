// What is found of storage that does as it should, and of one that does not.
#include "engine/base/storage_probe.h"

#include <absl/time/clock.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <map>
#include <utility>

#include "engine/base/posix_storage.h"
#include "engine/base/status.h"
#include "engine/base/system_runtime.h"
#include "tests/base/temporary_directory.h"
#include "tests/base/testing.h"

namespace baton {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

// What is wrong with it.
struct Faults {
  bool loses_data_beside_holes = false;  // as READ_PLUS of nfs-ganesha 4.3 with Linux 6.12
  bool links_replace = false;
  bool ignores_punch = false;
  mutable int slow_syncs = 0;  // so many durable writes take a second
};

class FaultyFile final : public File {
 public:
  FaultyFile(std::unique_ptr<File> file, const Faults& faults)
      : file_(std::move(file)), faults_(faults) {}

  absl::Status Read(uint64_t offset, MutableBytes out) const override {
    BATON_RETURN_IF_ERROR(file_->Read(offset, out));
    const auto hole = std::ranges::find(out, std::byte{0});
    if (faults_.loses_data_beside_holes) std::fill(hole, out.end(), std::byte{0});
    return absl::OkStatus();
  }
  absl::Status Write(uint64_t offset, Bytes data, WriteMode mode) override {
    if (mode == WriteMode::kDurable && faults_.slow_syncs > 0) {
      --faults_.slow_syncs;
      absl::SleepFor(absl::Seconds(1));
    }
    return file_->Write(offset, data, mode);
  }
  absl::Status Sync() override { return file_->Sync(); }
  absl::Status PunchHole(uint64_t offset, uint64_t length_bytes) override {
    return faults_.ignores_punch ? absl::OkStatus() : file_->PunchHole(offset, length_bytes);
  }
  absl::Status ZeroRange(uint64_t offset, uint64_t length_bytes) override {
    return file_->ZeroRange(offset, length_bytes);
  }
  absl::Status Allocate(uint64_t offset, uint64_t length_bytes) override {
    return file_->Allocate(offset, length_bytes);
  }
  absl::Status Truncate(uint64_t size_bytes) override { return file_->Truncate(size_bytes); }
  absl::Status Grow(uint64_t size_bytes) override { return file_->Grow(size_bytes); }
  absl::StatusOr<uint64_t> SizeBytes() const override { return file_->SizeBytes(); }
  absl::StatusOr<uint64_t> AllocatedBytes() const override { return file_->AllocatedBytes(); }
  absl::StatusOr<std::optional<DataRange>> NextData(uint64_t offset) const override {
    return file_->NextData(offset);
  }
  IoAlignment alignment() const override { return file_->alignment(); }

 private:
  const std::unique_ptr<File> file_;
  const Faults& faults_;
};

class FaultyStorage final : public Storage {
 public:
  explicit FaultyStorage(PosixStorage& storage) : storage_(storage) {}

  absl::StatusOr<std::unique_ptr<File>> Open(const std::string& path,
                                             OpenOptions options) override {
    BATON_ASSIGN_OR_RETURN(auto file, storage_.Open(path, options));
    return std::make_unique<FaultyFile>(std::move(file), faults);
  }
  absl::Status Link(const std::string& from, const std::string& to) override {
    if (faults.links_replace) storage_.Remove(to).IgnoreError();
    return storage_.Link(from, to);
  }
  absl::Status MakeDirectory(const std::string& path) override {
    return storage_.MakeDirectory(path);
  }
  absl::StatusOr<std::vector<std::string>> List(const std::string& path) const override {
    return storage_.List(path);
  }
  absl::StatusOr<bool> Exists(const std::string& path) const override {
    return storage_.Exists(path);
  }
  absl::Status Rename(const std::string& from, const std::string& to) override {
    return storage_.Rename(from, to);
  }
  absl::Status RenameToFree(const std::string& from, const std::string& to) override {
    return storage_.RenameToFree(from, to);
  }
  absl::Status Remove(const std::string& path) override { return storage_.Remove(path); }
  absl::Status SyncDirectory(const std::string& path) override {
    return storage_.SyncDirectory(path);
  }
  absl::Status WriteSideBySide(std::span<const SideWrite> writes) override {
    return storage_.WriteSideBySide(writes);
  }
  absl::StatusOr<uint64_t> FreeBytes() const override { return storage_.FreeBytes(); }
  absl::StatusOr<uint64_t> TotalBytes() const override { return storage_.TotalBytes(); }
  bool WritesEndWithProcess() const override { return storage_.WritesEndWithProcess(); }

  Faults faults;

 private:
  PosixStorage& storage_;
};

class StorageProbeTest : public testing::Test {
 protected:
  std::map<std::string, Finding> Run() {
    std::map<std::string, Finding> found;
    for (Finding& finding : ProbeStorage(faulty_, runtime_, directory_.path())) {
      found[finding.check] = finding;
    }
    return found;
  }
  void ExpectFailure(const std::string& check, const std::string& text) {
    for (const auto& [name, finding] : Run()) {
      EXPECT_EQ(finding.verdict == Verdict::kFail, name == check) << name << ": " << finding.text;
      if (name == check) {
        EXPECT_THAT(finding.text, HasSubstr(text));
      }
    }
    ExpectNothingIsLeft();
  }
  void ExpectNothingIsLeft() { EXPECT_THAT(Must(storage_->List("")), IsEmpty()); }

  TemporaryDirectory directory_;
  SystemRuntime runtime_;
  const std::unique_ptr<PosixStorage> storage_ = Must(PosixStorage::Open(directory_.path()));
  FaultyStorage faulty_{*storage_};
};

TEST_F(StorageProbeTest, FindsNoFaultWithALocalFileSystem) {
  const auto found = Run();
  EXPECT_EQ(found.size(), 6u);
  for (const auto& [name, finding] : found) {
    EXPECT_NE(finding.verdict, Verdict::kFail) << name << ": " << finding.text;
  }
  ExpectNothingIsLeft();
}

TEST_F(StorageProbeTest, FindsDataThatReadsBackAsZeros) {
  faulty_.faults.loses_data_beside_holes = true;
  ExpectFailure("read-back", "zeros with O_DIRECT at byte 131072 after it was written");
}

TEST_F(StorageProbeTest, FindsHolesThatAreNone) {
  faulty_.faults.ignores_punch = true;
  ExpectFailure("read-back", "something else with O_DIRECT at byte 16384 after a hole was punched");
}

TEST_F(StorageProbeTest, FindsLinksThatTwoNodesCouldMake) {
  faulty_.faults.links_replace = true;
  ExpectFailure("links", "two nodes could own the pool");
}

TEST_F(StorageProbeTest, OneSlowSyncIsWarnedOf) {
  constexpr int kOfReadBack = 2;
  faulty_.faults.slow_syncs = kOfReadBack + 1 + 1;
  const Finding sync = Run().at("sync");
  EXPECT_EQ(sync.verdict, Verdict::kWarn) << sync.text;
}

TEST_F(StorageProbeTest, MostSyncsSlowIsAFailure) {
  faulty_.faults.slow_syncs = 8;
  ExpectFailure("sync", "the lease would run out");
}

TEST_F(StorageProbeTest, RemovesOneThatIsAnHourOld) {
  for (const char* name : {"old", "new"}) {
    EXPECT_OK(storage_->MakeDirectory(std::string(kProbePrefix) + name));
  }
  const std::string old = directory_.path() + "/" + kProbePrefix + "old";
  EXPECT_OK(storage_->Open(std::string(kProbePrefix) + "old/data", {.create = true}).status());
  const auto made = std::filesystem::last_write_time(old);
  std::filesystem::last_write_time(old, made - std::chrono::minutes(61));
  Run();
  EXPECT_THAT(Must(storage_->List("")), testing::ElementsAre(std::string(kProbePrefix) + "new"));
}

TEST_F(StorageProbeTest, RemovesWhatOneThatWasKilledHasLeft) {
  std::filesystem::create_directory(directory_.path() + "/" + kProbePrefix + "1");
  EXPECT_OK(storage_->Open(std::string(kProbePrefix) + "1/data", {.create = true}).status());
  EXPECT_OK(storage_->MakeDirectory("other"));
  EXPECT_OK(RemoveProbes(*storage_));
  EXPECT_THAT(Must(storage_->List("")), testing::ElementsAre("other"));
}

}  // namespace
}  // namespace baton
