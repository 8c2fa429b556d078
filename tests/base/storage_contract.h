// What every Storage must do: one suite over every implementation. Include it in one source file
// of a test program and instantiate StorageContract with the makers of the storages to test.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "engine/base/limits.h"
#include "engine/base/storage.h"
#include "tests/base/testing.h"

namespace baton {

// An empty storage, and whatever must live as long as it does.
class StorageUnderTest {
 public:
  virtual ~StorageUnderTest() = default;
  virtual Storage& storage() = 0;
};

struct StorageKind {
  std::string name;
  std::function<std::unique_ptr<StorageUnderTest>()> make;
};

// Memory aligned for direct I/O.
class AlignedBytes {
 public:
  explicit AlignedBytes(size_t size)
      : data_(static_cast<std::byte*>(std::aligned_alloc(limits::kBlockBytes, size))),
        size_(size) {}
  explicit AlignedBytes(const std::vector<std::byte>& content) : AlignedBytes(content.size()) {
    std::copy(content.begin(), content.end(), data_);
  }
  ~AlignedBytes() { std::free(data_); }
  AlignedBytes(const AlignedBytes&) = delete;
  AlignedBytes& operator=(const AlignedBytes&) = delete;
  MutableBytes span() const { return {data_, size_}; }

 private:
  std::byte* const data_;
  const size_t size_;
};

class StorageContract : public testing::TestWithParam<StorageKind> {
 protected:
  static constexpr uint64_t kBlock = limits::kBlockBytes;

  Storage& storage() { return under_test_->storage(); }

  std::unique_ptr<File> Create(const std::string& path) {
    return Must(storage().Open(path, {.create = true, .exclusive = true}));
  }
  std::unique_ptr<File> CreateDirect(const std::string& path) {
    return Must(storage().Open(path, {.create = true, .direct = true}));
  }
  static std::vector<std::byte> ReadAll(const File& file, uint64_t offset, size_t length) {
    const AlignedBytes buffer((length + kBlock - 1) / kBlock * kBlock);
    std::fill(buffer.span().begin(), buffer.span().end(), std::byte{0xEE});
    EXPECT_OK(file.Read(offset, buffer.span().first(length)));
    return {buffer.span().begin(), buffer.span().begin() + static_cast<ptrdiff_t>(length)};
  }
  static std::vector<std::byte> Zeros(size_t size) { return std::vector<std::byte>(size); }

  const std::unique_ptr<StorageUnderTest> under_test_ = GetParam().make();
};

inline std::string StorageKindName(const testing::TestParamInfo<StorageKind>& info) {
  return info.param.name;
}

// ---- files ----

TEST_P(StorageContract, ReadsBackWhatWasWritten) {
  const auto file = Create("f");
  const auto data = Pattern(10000, 1);
  ASSERT_OK(file->Write(123, data, WriteMode::kCached));
  EXPECT_EQ(ReadAll(*file, 123, data.size()), data);
  EXPECT_EQ(ReadAll(*file, 0, 123), Zeros(123));
  EXPECT_EQ(Must(file->SizeBytes()), 10123U);
}

TEST_P(StorageContract, ReadsBackDurableWrites) {
  const auto file = Create("f");
  const auto data = Pattern(5000, 2);
  ASSERT_OK(file->Write(0, data, WriteMode::kDurable));
  EXPECT_EQ(ReadAll(*file, 0, data.size()), data);
}

TEST_P(StorageContract, NewerWritesReplaceOlderOnes) {
  const auto file = Create("f");
  auto expected = Pattern(9000, 1);
  ASSERT_OK(file->Write(0, expected, WriteMode::kCached));
  const auto patch = Pattern(700, 9);
  ASSERT_OK(file->Write(4000, patch, WriteMode::kCached));
  std::copy(patch.begin(), patch.end(), expected.begin() + 4000);
  EXPECT_EQ(ReadAll(*file, 0, expected.size()), expected);
}

TEST_P(StorageContract, ReadsZerosBeyondTheEnd) {
  const auto file = Create("f");
  ASSERT_OK(file->Write(0, Pattern(100, 1), WriteMode::kCached));
  auto expected = Pattern(100, 1);
  expected.resize(300);
  EXPECT_EQ(ReadAll(*file, 0, 300), expected);
  EXPECT_EQ(ReadAll(*file, 5000, 10), Zeros(10));
}

TEST_P(StorageContract, EveryHandleSeesTheSameFile) {
  const auto writer = Create("f");
  const auto reader = Must(storage().Open("f", {.read_only = true}));
  ASSERT_OK(writer->Write(0, Pattern(50, 3), WriteMode::kCached));
  EXPECT_EQ(ReadAll(*reader, 0, 50), Pattern(50, 3));
}

TEST_P(StorageContract, AReadOnlyHandleRefusesToWrite) {
  Create("f");
  const auto file = Must(storage().Open("f", {.read_only = true}));
  EXPECT_FALSE(file->Write(0, Pattern(10, 1), WriteMode::kCached).ok());
  EXPECT_EQ(Must(file->SizeBytes()), 0U);
}

TEST_P(StorageContract, DirectReadsAndWritesWork) {
  const auto file = CreateDirect("f");
  const AlignedBytes data(Pattern(3 * kBlock, 4));
  ASSERT_OK(file->Write(kBlock, data.span(), WriteMode::kCached));
  ASSERT_OK(file->Write(4 * kBlock, data.span().first(kBlock), WriteMode::kDurable));
  EXPECT_EQ(ReadAll(*file, kBlock, 3 * kBlock), Pattern(3 * kBlock, 4));
  EXPECT_EQ(ReadAll(*file, 4 * kBlock, kBlock),
            std::vector(data.span().begin(), data.span().begin() + kBlock));
}

TEST_P(StorageContract, ADirectReadAcrossAnUnalignedEndIsFilledWithZeros) {
  ASSERT_OK(Create("f")->Write(0, Pattern(6000, 5), WriteMode::kDurable));
  const auto file = Must(storage().Open("f", {.direct = true}));
  auto expected = Pattern(6000, 5);
  expected.resize(4 * kBlock);
  EXPECT_EQ(ReadAll(*file, 0, 4 * kBlock), expected);
}

TEST_P(StorageContract, DirectIoRefusesWhatIsNotAligned) {
  const auto file = CreateDirect("f");
  const IoAlignment alignment = file->alignment();
  ASSERT_LE(alignment.offset_bytes, kBlock);
  ASSERT_LE(alignment.memory_bytes, kBlock);
  if (alignment.offset_bytes == 1) GTEST_SKIP() << "this storage has no direct I/O";
  const AlignedBytes data(Pattern(2 * kBlock, 4));
  EXPECT_CODE(file->Write(1, data.span().first(kBlock), WriteMode::kCached), kInvalidArgument);
  EXPECT_CODE(file->Write(0, data.span().first(kBlock - 1), WriteMode::kCached), kInvalidArgument);
  EXPECT_CODE(file->Read(1, data.span().first(kBlock)), kInvalidArgument);
  EXPECT_EQ(Must(file->SizeBytes()), 0U);
}

TEST_P(StorageContract, SyncSucceeds) {
  const auto file = Create("f");
  ASSERT_OK(file->Write(0, Pattern(10, 1), WriteMode::kCached));
  EXPECT_OK(file->Sync());
  EXPECT_EQ(ReadAll(*file, 0, 10), Pattern(10, 1));
}

TEST_P(StorageContract, TruncateShrinksAndGrowsWithZeros) {
  const auto file = Create("f");
  ASSERT_OK(file->Write(0, Pattern(5000, 1), WriteMode::kCached));
  ASSERT_OK(file->Truncate(10));
  ASSERT_OK(file->Truncate(6000));
  auto expected = Pattern(5000, 1);
  expected.resize(10);
  expected.resize(6000);
  EXPECT_EQ(Must(file->SizeBytes()), 6000U);
  EXPECT_EQ(ReadAll(*file, 0, 6000), expected);
}

TEST_P(StorageContract, GrowingNeverCutsAndTakesNoSpace) {
  const auto file = Create("f");
  ASSERT_OK(file->Write(0, Pattern(2 * kBlock, 1), WriteMode::kDurable));
  ASSERT_OK(file->Grow(1024 * kBlock));
  EXPECT_EQ(Must(file->SizeBytes()), 1024 * kBlock);
  EXPECT_LE(Must(file->AllocatedBytes()), 64 * kBlock);
  auto expected = Pattern(2 * kBlock, 1);
  expected.resize(1024 * kBlock);
  EXPECT_EQ(ReadAll(*file, 0, 1024 * kBlock), expected);
  ASSERT_OK(file->Grow(kBlock));
  ASSERT_OK(file->Grow(2 * kBlock));
  EXPECT_EQ(ReadAll(*file, 0, 1024 * kBlock), expected);
  EXPECT_EQ(Must(file->SizeBytes()), 1024 * kBlock);
}

TEST_P(StorageContract, APunchedHoleReadsZerosAndGivesItsSpaceBack) {
  const auto file = Create("f");
  ASSERT_OK(file->Write(0, Pattern(8 * kBlock, 1), WriteMode::kDurable));
  const uint64_t before = Must(file->AllocatedBytes());
  ASSERT_OK(file->PunchHole(2 * kBlock, 4 * kBlock));
  auto expected = Pattern(8 * kBlock, 1);
  std::fill(expected.begin() + 2 * kBlock, expected.begin() + 6 * kBlock, std::byte{0});
  EXPECT_EQ(ReadAll(*file, 0, 8 * kBlock), expected);
  EXPECT_EQ(Must(file->SizeBytes()), 8 * kBlock);
  EXPECT_EQ(Must(file->AllocatedBytes()), before - 4 * kBlock);
}

TEST_P(StorageContract, AZeroedRangeReadsZerosAndKeepsItsSpace) {
  const auto file = Create("f");
  ASSERT_OK(file->Write(0, Pattern(8 * kBlock, 1), WriteMode::kDurable));
  const uint64_t before = Must(file->AllocatedBytes());
  ASSERT_OK(file->ZeroRange(2 * kBlock, 4 * kBlock));
  auto expected = Pattern(8 * kBlock, 1);
  std::fill(expected.begin() + 2 * kBlock, expected.begin() + 6 * kBlock, std::byte{0});
  EXPECT_EQ(ReadAll(*file, 0, 8 * kBlock), expected);
  EXPECT_EQ(Must(file->SizeBytes()), 8 * kBlock);
  EXPECT_GE(Must(file->AllocatedBytes()), before);
}

TEST_P(StorageContract, AZeroedHoleGetsSpace) {
  const auto file = Create("f");
  ASSERT_OK(file->Truncate(64 * kBlock));
  ASSERT_OK(file->ZeroRange(0, 64 * kBlock));
  EXPECT_GE(Must(file->AllocatedBytes()), 64 * kBlock);
  EXPECT_EQ(ReadAll(*file, 0, 64 * kBlock), Zeros(64 * kBlock));
}

TEST_P(StorageContract, PunchingBeyondTheEndLeavesTheSize) {
  const auto file = Create("f");
  ASSERT_OK(file->Write(0, Pattern(kBlock, 1), WriteMode::kCached));
  ASSERT_OK(file->PunchHole(0, 4 * kBlock));
  EXPECT_EQ(Must(file->SizeBytes()), kBlock);
  EXPECT_EQ(ReadAll(*file, 0, kBlock), Zeros(kBlock));
}

TEST_P(StorageContract, AllocateReservesAndKeepsWhatIsThere) {
  const auto file = Create("f");
  ASSERT_OK(file->Write(0, Pattern(kBlock, 1), WriteMode::kCached));
  ASSERT_OK(file->Allocate(0, 8 * kBlock));
  EXPECT_EQ(Must(file->SizeBytes()), 8 * kBlock);
  EXPECT_GE(Must(file->AllocatedBytes()), 8 * kBlock);
  auto expected = Pattern(kBlock, 1);
  expected.resize(8 * kBlock);
  EXPECT_EQ(ReadAll(*file, 0, 8 * kBlock), expected);
}

TEST_P(StorageContract, NextDataSkipsHoles) {
  const auto file = Create("f");
  ASSERT_OK(file->Truncate(1024 * kBlock));
  ASSERT_OK(file->Write(512 * kBlock, Pattern(kBlock, 1), WriteMode::kDurable));
  const auto range = Must(file->NextData(0));
  ASSERT_TRUE(range.has_value());
  EXPECT_LE(range->begin, 512 * kBlock);
  EXPECT_GE(range->end, 513 * kBlock);
  EXPECT_LT(range->end, 1024 * kBlock);
  EXPECT_FALSE(Must(file->NextData(range->end)).has_value());
  EXPECT_FALSE(Must(file->NextData(2000 * kBlock)).has_value());
}

// ---- names ----

TEST_P(StorageContract, OpeningWhatIsNotThereIsNotFound) {
  EXPECT_CODE(storage().Open("f", {}), kNotFound);
  EXPECT_CODE(storage().Open("d/f", {.create = true}), kNotFound);
}

TEST_P(StorageContract, CreateOpensWhatIsThereUnlessExclusive) {
  ASSERT_OK(Create("f")->Write(0, Pattern(10, 1), WriteMode::kCached));
  EXPECT_EQ(ReadAll(*Must(storage().Open("f", {.create = true})), 0, 10), Pattern(10, 1));
  EXPECT_CODE(storage().Open("f", {.create = true, .exclusive = true}), kAlreadyExists);
}

TEST_P(StorageContract, ListsSortedNames) {
  ASSERT_OK(storage().MakeDirectory("d"));
  Create("d/b");
  Create("d/a");
  ASSERT_OK(storage().MakeDirectory("d/c"));
  EXPECT_THAT(Must(storage().List("d")), testing::ElementsAre("a", "b", "c"));
  EXPECT_THAT(Must(storage().List("")), testing::ElementsAre("d"));
  EXPECT_CODE(storage().List("e"), kNotFound);
  EXPECT_FALSE(storage().List("d/a").ok());
}

TEST_P(StorageContract, ExistsTellsFilesAndDirectoriesFromNothing) {
  ASSERT_OK(storage().MakeDirectory("d"));
  Create("d/f");
  EXPECT_TRUE(Must(storage().Exists("d")));
  EXPECT_TRUE(Must(storage().Exists("d/f")));
  EXPECT_FALSE(Must(storage().Exists("d/g")));
  EXPECT_FALSE(Must(storage().Exists("e/f")));
}

TEST_P(StorageContract, MakingADirectoryThatIsThereIsRefused) {
  ASSERT_OK(storage().MakeDirectory("d"));
  EXPECT_CODE(storage().MakeDirectory("d"), kAlreadyExists);
  EXPECT_CODE(storage().MakeDirectory("e/d"), kNotFound);
}

TEST_P(StorageContract, RenameReplacesAFile) {
  ASSERT_OK(Create("a")->Write(0, Pattern(10, 1), WriteMode::kCached));
  ASSERT_OK(Create("b")->Write(0, Pattern(20, 2), WriteMode::kCached));
  ASSERT_OK(storage().Rename("a", "b"));
  EXPECT_EQ(ReadAll(*Must(storage().Open("b", {})), 0, 10), Pattern(10, 1));
  EXPECT_FALSE(Must(storage().Exists("a")));
  EXPECT_CODE(storage().Rename("a", "b"), kNotFound);
}

TEST_P(StorageContract, RenameToFreeNeverReplaces) {
  ASSERT_OK(Create("a")->Write(0, Pattern(10, 1), WriteMode::kCached));
  ASSERT_OK(Create("b")->Write(0, Pattern(20, 2), WriteMode::kCached));
  EXPECT_CODE(storage().RenameToFree("a", "b"), kAlreadyExists);
  EXPECT_EQ(ReadAll(*Must(storage().Open("a", {})), 0, 10), Pattern(10, 1));
  EXPECT_EQ(ReadAll(*Must(storage().Open("b", {})), 0, 20), Pattern(20, 2));
  ASSERT_OK(storage().RenameToFree("a", "c"));
  EXPECT_EQ(ReadAll(*Must(storage().Open("c", {})), 0, 10), Pattern(10, 1));
  EXPECT_FALSE(Must(storage().Exists("a")));
  EXPECT_CODE(storage().RenameToFree("a", "d"), kNotFound);
}

TEST_P(StorageContract, RenamingADirectoryMovesWhatIsInIt) {
  ASSERT_OK(storage().MakeDirectory("d"));
  const auto file = Create("d/f");
  ASSERT_OK(storage().Rename("d", "e"));
  EXPECT_FALSE(Must(storage().Exists("d/f")));
  EXPECT_TRUE(Must(storage().Exists("e/f")));
  EXPECT_CODE(storage().Open("d/g", {.create = true}), kNotFound);
  EXPECT_OK(file->Write(0, Pattern(10, 1), WriteMode::kCached));
}

TEST_P(StorageContract, RenamingADirectoryOntoAFullOneIsRefused) {
  ASSERT_OK(storage().MakeDirectory("d"));
  ASSERT_OK(storage().MakeDirectory("e"));
  Create("e/f");
  EXPECT_FALSE(storage().Rename("d", "e").ok());
  EXPECT_TRUE(Must(storage().Exists("e/f")));
}

TEST_P(StorageContract, LinkNeverReplaces) {
  ASSERT_OK(Create("a")->Write(0, Pattern(10, 1), WriteMode::kCached));
  Create("b");
  EXPECT_CODE(storage().Link("a", "b"), kAlreadyExists);
  ASSERT_OK(storage().Link("a", "c"));
  ASSERT_OK(storage().Remove("a"));
  EXPECT_EQ(ReadAll(*Must(storage().Open("c", {})), 0, 10), Pattern(10, 1));
  EXPECT_CODE(storage().Link("a", "d"), kNotFound);
}

TEST_P(StorageContract, RemovesFilesAndEmptyDirectoriesOnly) {
  ASSERT_OK(storage().MakeDirectory("d"));
  Create("d/f");
  EXPECT_CODE(storage().Remove("d"), kFailedPrecondition);
  EXPECT_OK(storage().Remove("d/f"));
  EXPECT_OK(storage().Remove("d"));
  EXPECT_CODE(storage().Remove("d"), kNotFound);
  EXPECT_THAT(Must(storage().List("")), testing::IsEmpty());
}

TEST_P(StorageContract, ARemovedFileLivesOnInItsHandles) {
  const auto file = Create("f");
  ASSERT_OK(file->Write(0, Pattern(10, 1), WriteMode::kCached));
  ASSERT_OK(storage().Remove("f"));
  EXPECT_EQ(ReadAll(*file, 0, 10), Pattern(10, 1));
  EXPECT_OK(file->Write(10, Pattern(10, 2), WriteMode::kDurable));
}

TEST_P(StorageContract, SyncsDirectories) {
  ASSERT_OK(storage().MakeDirectory("d"));
  Create("d/f");
  EXPECT_OK(storage().SyncDirectory("d"));
  EXPECT_OK(storage().SyncDirectory(""));
  EXPECT_CODE(storage().SyncDirectory("e"), kNotFound);
}

TEST_P(StorageContract, PathsThatLeaveOrAreMalformedAreRefused) {
  ASSERT_OK(storage().MakeDirectory("d"));
  const OpenOptions create = {.create = true};
  for (const char* path : {"..", "../f", "d/../f", "/etc/hosts", "d//f", "d/", "./f", "."}) {
    EXPECT_CODE(storage().Open(path, create), kInvalidArgument) << path;
    EXPECT_CODE(storage().MakeDirectory(path), kInvalidArgument) << path;
    EXPECT_CODE(storage().Exists(path), kInvalidArgument) << path;
    EXPECT_CODE(storage().Remove(path), kInvalidArgument) << path;
  }
  EXPECT_THAT(Must(storage().List("")), testing::ElementsAre("d"));
}

TEST_P(StorageContract, ADirectoryIsNotAFile) {
  ASSERT_OK(storage().MakeDirectory("d"));
  EXPECT_CODE(storage().Open("d", {}), kFailedPrecondition);
  EXPECT_CODE(storage().Open("d", {.read_only = true}), kFailedPrecondition);
}

// ---- the whole ----

TEST_P(StorageContract, WritesSideBySide) {
  const auto a = CreateDirect("a");
  const auto b = Create("b");
  const AlignedBytes block(Pattern(2 * kBlock, 6));
  const auto loose = Pattern(777, 7);
  const SideWrite writes[] = {{a.get(), 0, block.span()},
                              {b.get(), 100, loose},
                              {a.get(), 8 * kBlock, block.span().first(kBlock)}};
  ASSERT_OK(storage().WriteSideBySide(writes));
  EXPECT_EQ(ReadAll(*a, 0, 2 * kBlock), Pattern(2 * kBlock, 6));
  EXPECT_EQ(ReadAll(*b, 100, loose.size()), loose);
  EXPECT_EQ(Must(a->SizeBytes()), 9 * kBlock);
}

TEST_P(StorageContract, WritesAnyNumberSideBySide) {
  const auto file = Create("f");
  const auto data = Pattern(100 * kBlock, 8);
  std::vector<SideWrite> writes;
  for (uint64_t at = 0; at < data.size(); at += kBlock) {
    writes.push_back({file.get(), at, Bytes(data).subspan(at, kBlock)});
  }
  ASSERT_OK(storage().WriteSideBySide(writes));
  ASSERT_OK(storage().WriteSideBySide({}));
  EXPECT_EQ(ReadAll(*file, 0, data.size()), data);
}

TEST_P(StorageContract, ASideWriteThatFailsIsReported) {
  const auto good = Create("f");
  const auto bad = Must(storage().Open("f", {.read_only = true}));
  const auto data = Pattern(100, 1);
  const SideWrite writes[] = {{good.get(), 0, data}, {bad.get(), 200, data}};
  EXPECT_FALSE(storage().WriteSideBySide(writes).ok());
  EXPECT_EQ(Must(good->SizeBytes()), 100U);
}

TEST_P(StorageContract, KnowsItsSpace) {
  EXPECT_GT(Must(storage().FreeBytes()), 0U);
  EXPECT_GE(Must(storage().TotalBytes()), Must(storage().FreeBytes()));
}

}  // namespace baton
