#include "engine/base/posix_storage.h"

#include <linux/magic.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <thread>

#include "engine/base/errno_status.h"
#include "engine/base/limits.h"
#include "engine/base/status.h"
#include "tests/base/descriptor_limit.h"
#include "tests/base/storage_contract.h"
#include "tests/base/temporary_directory.h"

namespace baton {
namespace {

class PosixUnderTest final : public StorageUnderTest {
 public:
  explicit PosixUnderTest(const std::string& parent)
      : directory_(parent), storage_(Must(PosixStorage::Open(directory_.path()))) {}
  Storage& storage() override { return *storage_; }

 private:
  const TemporaryDirectory directory_;
  const std::unique_ptr<PosixStorage> storage_;
};

std::unique_ptr<StorageUnderTest> OnDisk() {
  return std::make_unique<PosixUnderTest>(testing::TempDir());
}

std::unique_ptr<StorageUnderTest> InMemory() {
  return std::make_unique<PosixUnderTest>("/dev/shm");
}

INSTANTIATE_TEST_SUITE_P(Posix, StorageContract,
                         testing::Values(StorageKind{"Disk", OnDisk},
                                         StorageKind{"Tmpfs", InMemory}),
                         StorageKindName);

// A small file system of its own, seen by nobody else. Ends with the thread that made it.
class PrivateMount {
 public:
  PrivateMount(const char* type, const char* options) {
    mounted_ = ::unshare(CLONE_NEWNS) == 0 &&
               ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
               ::mount(type, directory_.path().c_str(), type, 0, options) == 0;
  }
  ~PrivateMount() {
    if (mounted_) ::umount2(directory_.path().c_str(), MNT_DETACH);
  }
  bool mounted() const { return mounted_; }
  const std::string& path() const { return directory_.path(); }

 private:
  const TemporaryDirectory directory_;
  bool mounted_ = false;
};

// Runs `body` in a thread of its own, whose mounts vanish with it.
template <typename Body>
void WithMount(const char* type, const char* options, Body body) {
  bool mounted = false;
  std::thread([&] {
    const PrivateMount mount(type, options);
    mounted = mount.mounted();
    if (mounted) body(*Must(PosixStorage::Open(mount.path())));
  }).join();
  if (!mounted) GTEST_SKIP() << "needs the right to mount";
}

class PosixStorageTest : public testing::Test {
 protected:
  std::filesystem::path Path(const std::string& name) {
    return std::filesystem::path(directory_.path()) / name;
  }

  const TemporaryDirectory directory_;
  const std::unique_ptr<PosixStorage> storage_ = Must(PosixStorage::Open(directory_.path()));
};

TEST_F(PosixStorageTest, WritesEndWithTheirProcessWhereThatIsKnown) {
  for (const char* memory : {"/dev/shm", "/tmp"}) {
    struct statfs file_system = {};
    ASSERT_EQ(::statfs(memory, &file_system), 0);
    if (file_system.f_type != TMPFS_MAGIC && file_system.f_type != EXT4_SUPER_MAGIC) continue;
    EXPECT_TRUE(Must(PosixStorage::Open(memory))->WritesEndWithProcess()) << memory;
  }
  EXPECT_FALSE(Must(PosixStorage::Open("/proc"))->WritesEndWithProcess());
}

TEST_F(PosixStorageTest, OpenNeedsADirectory) {
  EXPECT_CODE(PosixStorage::Open(Path("missing")), kNotFound);
  std::ofstream(Path("file")) << "x";
  EXPECT_CODE(PosixStorage::Open(Path("file")), kFailedPrecondition);
}

TEST_F(PosixStorageTest, TellsItsAbsolutePath) {
  std::filesystem::create_directory_symlink(directory_.path(), Path("link"));
  const auto through_link = Must(PosixStorage::Open(Path("link")));
  EXPECT_EQ(through_link->directory(), std::filesystem::canonical(directory_.path()));
}

TEST_F(PosixStorageTest, ErrorsSayWhatAndWhereAndWhy) {
  const std::string message(storage_->Open("missing", {}).status().message());
  EXPECT_EQ(message, "open " + storage_->directory() + "/missing: No such file or directory");
}

TEST_F(PosixStorageTest, NoSymbolicLinkIsFollowed) {
  const TemporaryDirectory outside;
  std::ofstream(outside.path() + "/secret") << "x";
  std::filesystem::create_symlink(outside.path() + "/secret", Path("file"));
  std::filesystem::create_directory_symlink(outside.path(), Path("directory"));
  std::filesystem::create_symlink("new", Path("dangling"));
  EXPECT_CODE(storage_->Open("file", {}), kInvalidArgument);
  EXPECT_CODE(storage_->Open("dangling", {.create = true}), kInvalidArgument);
  EXPECT_CODE(storage_->Open("directory/secret", {}), kInvalidArgument);
  EXPECT_CODE(storage_->Remove("directory/secret"), kInvalidArgument);
  EXPECT_CODE(storage_->List("directory"), kInvalidArgument);
  EXPECT_CODE(storage_->Rename("directory/secret", "stolen"), kInvalidArgument);
  EXPECT_CODE(storage_->MakeDirectory("directory/d"), kInvalidArgument);
  EXPECT_FALSE(std::filesystem::exists(Path("new")));
  EXPECT_TRUE(std::filesystem::exists(outside.path() + "/secret"));
}

TEST_F(PosixStorageTest, StaysInItsDirectoryWhenThePathIsReplaced) {
  ASSERT_OK(storage_->Open("f", {.create = true}));
  const std::filesystem::path moved = directory_.path() + "-moved";
  std::filesystem::rename(directory_.path(), moved);
  EXPECT_TRUE(Must(storage_->Exists("f")));
  std::filesystem::rename(moved, directory_.path());
}

TEST_F(PosixStorageTest, ADeviceOrPipeIsNotAFile) {
  ASSERT_EQ(::mkfifo(Path("pipe").c_str(), 0600), 0);
  EXPECT_CODE(storage_->Open("pipe", {}), kFailedPrecondition);
}

TEST_F(PosixStorageTest, ManyThreadsWriteSideBySide) {
  constexpr int kThreads = 8;
  const auto file = Must(storage_->Open("f", {.create = true, .direct = true}));
  std::vector<std::thread> threads;
  for (uint8_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      const AlignedBytes block(Pattern(limits::kBlockBytes, t));
      for (uint64_t i = 0; i < 20; ++i) {
        const uint64_t at = (t * 40 + 2 * i) * limits::kBlockBytes;
        const SideWrite writes[] = {{file.get(), at, block.span()},
                                    {file.get(), at + limits::kBlockBytes, block.span()}};
        EXPECT_OK(storage_->WriteSideBySide(writes));
      }
    });
  }
  for (auto& thread : threads) thread.join();
  const AlignedBytes block(limits::kBlockBytes);
  for (uint64_t i = 0; i < kThreads * 40; ++i) {
    ASSERT_OK(file->Read(i * limits::kBlockBytes, block.span()));
    EXPECT_EQ(std::vector(block.span().begin(), block.span().end()),
              Pattern(limits::kBlockBytes, static_cast<uint8_t>(i / 40)));
  }
}

TEST_F(PosixStorageTest, FilesOfAnotherStorageAreRefusedSideBySide) {
  class Stranger final : public File {
   public:
    absl::Status Read(uint64_t, MutableBytes) const override { return absl::OkStatus(); }
    absl::Status Write(uint64_t, Bytes, WriteMode) override { return absl::OkStatus(); }
    absl::Status Sync() override { return absl::OkStatus(); }
    absl::Status PunchHole(uint64_t, uint64_t) override { return absl::OkStatus(); }
    absl::Status ZeroRange(uint64_t, uint64_t) override { return absl::OkStatus(); }
    absl::Status Allocate(uint64_t, uint64_t) override { return absl::OkStatus(); }
    absl::Status Truncate(uint64_t) override { return absl::OkStatus(); }
    absl::Status Grow(uint64_t) override { return absl::OkStatus(); }
    absl::StatusOr<uint64_t> SizeBytes() const override { return uint64_t{0}; }
    absl::StatusOr<uint64_t> AllocatedBytes() const override { return uint64_t{0}; }
    absl::StatusOr<std::optional<DataRange>> NextData(uint64_t) const override {
      return std::nullopt;
    }
    IoAlignment alignment() const override { return {}; }
  };
  Stranger stranger;
  const auto data = Pattern(10, 1);
  const SideWrite writes[] = {{&stranger, 0, data}};
  EXPECT_CODE(storage_->WriteSideBySide(writes), kInvalidArgument);
}

TEST(PosixStorageFullTest, AFullStorageIsResourceExhausted) {
  WithMount("tmpfs", "size=1m", [](PosixStorage& storage) {
    const auto file = Must(storage.Open("f", {.create = true}));
    const auto data = Pattern(2 * limits::kMiB, 1);
    EXPECT_CODE(file->Write(0, data, WriteMode::kCached), kResourceExhausted);
    EXPECT_CODE(file->Allocate(0, 2 * limits::kMiB), kResourceExhausted);
    const auto other = Must(storage.Open("g", {.create = true}));
    const SideWrite writes[] = {{other.get(), 0, data}};
    EXPECT_CODE(storage.WriteSideBySide(writes), kResourceExhausted);
    EXPECT_EQ(Must(storage.TotalBytes()), limits::kMiB);
    EXPECT_LT(Must(storage.FreeBytes()), limits::kMiB);
  });
}

TEST(PosixStorageFullTest, ASideWriteCutShortIsContinuedUntilTheRealError) {
  WithMount("tmpfs", "size=1m", [](PosixStorage& storage) {
    const auto file = Must(storage.Open("f", {.create = true}));
    const auto data = Pattern(limits::kMiB + limits::kBlockBytes, 1);
    const SideWrite writes[] = {{file.get(), 0, data}};
    EXPECT_CODE(storage.WriteSideBySide(writes), kResourceExhausted);
    std::vector<std::byte> start(limits::kMiB / 2);
    ASSERT_OK(file->Read(0, start));
    EXPECT_TRUE(std::equal(start.begin(), start.end(), data.begin()));
  });
}

TEST(PosixStorageMountTest, GrowsAFileWhereSpaceCannotBeReserved) {
  WithMount("ramfs", "", [](PosixStorage& storage) {
    const auto file = Must(storage.Open("f", {.create = true}));
    ASSERT_OK(file->Write(0, Pattern(4096, 1), WriteMode::kCached));
    EXPECT_CODE(file->Allocate(0, 4096), kUnimplemented);
    ASSERT_OK(file->Grow(1 << 20));
    ASSERT_OK(file->Grow(8192));
    EXPECT_EQ(Must(file->SizeBytes()), 1u << 20);
    std::vector<std::byte> content(1 << 20);
    ASSERT_OK(file->Read(0, content));
    auto expected = Pattern(4096, 1);
    expected.resize(1 << 20);
    EXPECT_EQ(content, expected);
  });
}

TEST(PosixStorageDescriptorsTest, TheLastOnesAreNotForVolumes) {
  const TemporaryDirectory directory(testing::TempDir());
  const auto storage = Must(PosixStorage::Open(directory.path()));
  const DescriptorLimit limit(128);
  std::vector<std::unique_ptr<File>> open;
  absl::Status refused;
  for (int i = 0; i < 128 && refused.ok(); ++i) {
    auto file = storage->Open(fmt::format("v{}", i), {.create = true, .leave_reserve = true});
    refused = file.status();
    if (file.ok()) open.push_back(*std::move(file));
  }
  EXPECT_CODE(refused, kResourceExhausted);
  EXPECT_TRUE(IsOutOfDescriptors(Annotate(refused, "somewhere")));
  EXPECT_LE(open.size(), 64u);
  EXPECT_GE(open.size(), 32u);
  EXPECT_FALSE(Must(storage->Exists(fmt::format("v{}", open.size())))) << "nothing was made";
  for (int i = 0; i < 60; ++i) {
    open.push_back(Must(storage->Open(fmt::format("m{}", i), {.create = true})));
  }
}

TEST(PosixStorageDescriptorsTest, AFullStorageIsNoLackOfDescriptors) {
  EXPECT_TRUE(IsOutOfDescriptors(ErrnoStatus(EMFILE, "open", "f")));
  EXPECT_TRUE(IsOutOfDescriptors(ErrnoStatus(ENFILE, "open", "f")));
  EXPECT_FALSE(IsOutOfDescriptors(ErrnoStatus(ENOSPC, "write", "f")));
  EXPECT_FALSE(IsOutOfDescriptors(absl::OkStatus()));
}

TEST(PosixStorageRamfsTest, WithoutHolesPunchingWritesZeros) {
  WithMount("ramfs", "", [](PosixStorage& storage) {
    const auto file = Must(storage.Open("f", {.create = true, .direct = true}));
    const AlignedBytes data(Pattern(40 * limits::kBlockBytes, 1));
    ASSERT_OK(file->Write(0, data.span(), WriteMode::kCached));
    ASSERT_OK(file->PunchHole(limits::kBlockBytes, 64 * limits::kBlockBytes));
    std::fill(data.span().begin() + limits::kBlockBytes, data.span().end(), std::byte{0});
    const AlignedBytes seen(data.span().size());
    ASSERT_OK(file->Read(0, seen.span()));
    EXPECT_TRUE(std::equal(seen.span().begin(), seen.span().end(), data.span().begin()));
    EXPECT_EQ(Must(file->SizeBytes()), 40 * limits::kBlockBytes);
  });
}

}  // namespace
}  // namespace baton
