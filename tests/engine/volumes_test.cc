// Volumes through the facade: what can be made, and what is refused.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>

#include <filesystem>

#include "tests/engine/engine_pool.h"

namespace baton {
namespace {

using Volumes = EngineTest;

TEST_F(Volumes, ANewVolumeIsZerosAndTakesNoSpace) {
  MakeVolume("a");
  EXPECT_EQ(Content("a"), Zeros());
  const VolumeStatus status = Must(pool_->ShowVolume("a"));
  EXPECT_EQ(status.size_bytes(), kSize);
  EXPECT_EQ(status.allocated_bytes(), 0u);
  EXPECT_FALSE(status.thick());
  EXPECT_EQ(status.open_count(), 0u);
  EXPECT_FALSE(status.offline());
}

TEST_F(Volumes, AThickVolumeHasItsSpace) {
  ASSERT_OK(pool_->CreateVolume({.name = "a", .size_bytes = kSize, .thick = true}));
  EXPECT_GE(Must(pool_->ShowVolume("a")).allocated_bytes(), kSize);
  EXPECT_EQ(Content("a"), Zeros());
}

class FilesWithoutAVolume : public EngineTest {
 protected:
  void PutFile(const std::string& name, const std::vector<std::byte>& content) {
    const std::unique_ptr<File> file =
        Must(pool_.storage().Open("volumes/" + name, {.create = true}));
    ASSERT_OK(file->Write(0, content, WriteMode::kCached));
  }
};

TEST_F(FilesWithoutAVolume, AreNotEmptiedByANewVolume) {
  PutFile("restored", Filled(1));
  const absl::Status status =
      pool_->CreateVolume({.name = "restored", .size_bytes = kSize}).status();
  EXPECT_CODE(status, kAlreadyExists);
  EXPECT_THAT(std::string(status.message()), testing::HasSubstr("baton volume adopt restored"));
  EXPECT_EQ(Must(pool_.ReadFile("volumes/restored")), Filled(1));
  EXPECT_CODE(pool_->ShowVolume("restored"), kNotFound);
}

TEST_F(FilesWithoutAVolume, BecomeVolumesAsTheyAre) {
  PutFile("restored", Filled(1));
  EXPECT_EQ(Must(pool_->AdoptVolume("restored")).size_bytes, kSize);
  EXPECT_EQ(Content("restored"), Filled(1));
  pool_.Close();
  ASSERT_OK(pool_.Open());
  EXPECT_EQ(Content("restored"), Filled(1));
  EXPECT_CODE(pool_->AdoptVolume("restored"), kAlreadyExists);
}

TEST_F(FilesWithoutAVolume, OfNoVolumesSizeAreRefused) {
  PutFile("odd", std::vector<std::byte>(5000, std::byte{1}));
  EXPECT_CODE(pool_->AdoptVolume("odd"), kInvalidArgument);
  EXPECT_CODE(pool_->AdoptVolume("none"), kNotFound);
  EXPECT_CODE(pool_->AdoptVolume("../odd"), kInvalidArgument);
  EXPECT_EQ(Must(pool_.ReadFile("volumes/odd")).size(), 5000u);
}

TEST_F(Volumes, AreRefusedWhereTheFileSystemTakesNoFileOfThatSize) {
  ::signal(SIGXFSZ, SIG_IGN);
  rlimit usual;
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &usual), 0);
  const rlimit low{.rlim_cur = 64 * limits::kMiB, .rlim_max = usual.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &low), 0);
  const absl::Status status =
      pool_->CreateVolume({.name = "a", .size_bytes = 128 * limits::kMiB}).status();
  EXPECT_EQ(::setrlimit(RLIMIT_FSIZE, &usual), 0);
  EXPECT_CODE(status, kResourceExhausted);
  EXPECT_THAT(std::string(status.message()), testing::HasSubstr("takes no file of 128 MiB"));
  EXPECT_FALSE(std::filesystem::exists(pool_.Path("volumes/a")));
}

TEST_F(Volumes, TheFileIsTheVolume) {
  MakeVolume("a");
  Fill("a", 1);
  ASSERT_OK(OpenByName("a")->Flush());
  std::vector<std::byte> bytes(kSize);
  ASSERT_OK(Must(pool_.storage().Open("volumes/a", {}))->Read(0, bytes));
  EXPECT_EQ(bytes, Filled(1));
}

TEST_F(Volumes, AreListedByNameAndKeepTheirIdsOverARestart) {
  MakeVolume("b");
  MakeVolume("a");
  const uint64_t id = Must(pool_->ShowVolume("b")).id();
  pool_.Close();
  ASSERT_OK(pool_.Open());
  const std::vector<VolumeInfo> all = pool_->ListVolumes();
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].name, "a");
  EXPECT_EQ(all[1].name, "b");
  EXPECT_EQ(all[1].id, id);
}

TEST_F(Volumes, ADeletedVolumeIsGoneAndItsIdIsNotUsedAgain) {
  MakeVolume("a");
  const uint64_t id = Must(pool_->ShowVolume("a")).id();
  ASSERT_OK(pool_->DeleteVolume("a"));
  EXPECT_CODE(pool_->ShowVolume("a"), kNotFound);
  EXPECT_CODE(pool_->OpenVolume(id), kNotFound);
  EXPECT_FALSE(std::filesystem::exists(pool_.Path("volumes/a")));
  MakeVolume("a");
  EXPECT_NE(Must(pool_->ShowVolume("a")).id(), id);
  EXPECT_EQ(Content("a"), Zeros());
}

TEST_F(Volumes, AFileThatABrokenOffCreationLeftIsReplaced) {
  ASSERT_OK(Must(pool_.storage().Open("volumes/a", {.create = true}))->Truncate(kSize / 2));
  MakeVolume("a");
  EXPECT_EQ(Content("a"), Zeros());
}

// A directory in its place cannot be removed: as after an error of the storage.
TEST_F(Volumes, AFileThatABrokenOffDeletionLeftIsReplaced) {
  MakeVolume("a");
  const std::string path = pool_.Path("volumes/a");
  std::filesystem::remove(path);
  std::filesystem::create_directories(path + "/in/the/way");
  EXPECT_FALSE(pool_->DeleteVolume("a").ok());
  std::filesystem::remove_all(path);
  ASSERT_OK(Must(pool_.storage().Open("volumes/a", {.create = true}))
                ->Write(0, Filled(7), WriteMode::kCached));
  pool_.Close();
  ASSERT_OK(pool_.Open());
  EXPECT_FALSE(std::filesystem::exists(path)) << "the next start has removed it";
  MakeVolume("a");
  EXPECT_EQ(Content("a"), Zeros());
}

TEST_F(Volumes, NextDataFindsWhatWasWritten) {
  MakeVolume("a");
  const uint64_t id = Must(pool_->ShowVolume("a")).id();
  EXPECT_EQ(Must(pool_->NextData(id, 0)), std::nullopt);
  Write("a", 8 * kExtent, Pattern(kExtent, 1));
  const std::optional<DataRange> data = Must(pool_->NextData(id, 0));
  ASSERT_TRUE(data.has_value());
  EXPECT_LE(data->begin, 8 * kExtent);
  EXPECT_GE(data->end, 9 * kExtent);
}

TEST_F(Volumes, BadNamesAndSizesAreRefused) {
  for (const char* name : {"", "A", "a/b", "..", ".a", "-a", "a b"}) {
    EXPECT_REFUSED(pool_->CreateVolume({.name = name, .size_bytes = kSize}), kInvalidArgument,
                   "name");
  }
  EXPECT_REFUSED(pool_->CreateVolume({.name = std::string(64, 'a'), .size_bytes = kSize}),
                 kInvalidArgument, "name");
  for (const uint64_t size : {uint64_t{0}, uint64_t{1}, uint64_t{4097}, UINT64_MAX,
                              limits::kMaxVolumeBytes + limits::kBlockBytes}) {
    EXPECT_REFUSED(pool_->CreateVolume({.name = "a", .size_bytes = size}), kInvalidArgument,
                   "volume size");
  }
}

TEST_F(Volumes, WhatTheFileSystemDoesNotHoldIsRefused) {
  const uint64_t total = Must(pool_.storage().TotalBytes());
  const uint64_t size = (total / limits::kBlockBytes + 1) * limits::kBlockBytes;
  EXPECT_REFUSED(pool_->CreateVolume({.name = "a", .size_bytes = size}), kResourceExhausted,
                 "larger than what the pool's file system holds");
  const uint64_t free = Must(pool_.storage().FreeBytes());
  if (free / limits::kBlockBytes * limits::kBlockBytes + limits::kGiB > total) return;
  EXPECT_REFUSED(
      pool_->CreateVolume({.name = "a",
                           .size_bytes = free / limits::kGiB * limits::kGiB + limits::kGiB,
                           .thick = true}),
      kResourceExhausted, "has free");
}

TEST_F(Volumes, NamesThatExistOrDoNotAreRefused) {
  MakeVolume("a");
  EXPECT_REFUSED(pool_->CreateVolume({.name = "a", .size_bytes = kSize}), kAlreadyExists,
                 "volume a exists already");
  EXPECT_REFUSED(pool_->DeleteVolume("b"), kNotFound, "there is no volume b");
  EXPECT_REFUSED(pool_->ShowVolume("b"), kNotFound, "there is no volume b");
  EXPECT_REFUSED(pool_->FinishImport("b"), kNotFound, "there is no volume b");
  EXPECT_REFUSED(pool_->OpenVolume(12345), kNotFound, "12345");
}

TEST_F(Volumes, AnOpenVolumeIsNotDeleted) {
  MakeVolume("a");
  std::unique_ptr<VolumeIo> io = OpenByName("a");
  EXPECT_REFUSED(pool_->DeleteVolume("a"), kFailedPrecondition, "volume a is open (1 handles)");
  io.reset();
  EXPECT_OK(pool_->DeleteVolume("a"));
}

TEST_F(Volumes, AVolumeOfACloneIsNotDeleted) {
  MakeVolume("src");
  MakeVolume("dst");
  Fill("src", 1);
  for (const char* state : {"created", "activated", "copying", "paused", "stopped", "completed"}) {
    const uint64_t id = MakeIn(state);
    EXPECT_REFUSED(pool_->DeleteVolume("src"), kFailedPrecondition, "delete the clone first");
    EXPECT_REFUSED(pool_->DeleteVolume("dst"), kFailedPrecondition, "delete the clone first");
    (void)pool_->StopClone(id);
    ASSERT_OK(pool_->DeleteClone(id));
  }
}

TEST_F(Volumes, OfAnImportCanOnlyBeWrittenShownAndDeleted) {
  MakeVolume("other");
  ASSERT_OK(pool_->CreateVolume({.name = "a", .size_bytes = kSize, .importing = true}));
  Fill("a", 3);
  EXPECT_TRUE(Must(pool_->ShowVolume("a")).importing());
  EXPECT_REFUSED(pool_->CreateClone(Options("a", "other")), kFailedPrecondition,
                 "is being imported");
  EXPECT_REFUSED(pool_->CreateClone(Options("other", "a")), kFailedPrecondition,
                 "is being imported");
  ASSERT_OK(pool_->FinishImport("a"));
  EXPECT_FALSE(Must(pool_->ShowVolume("a")).importing());
  EXPECT_EQ(Content("a"), Filled(3));
  EXPECT_REFUSED(pool_->FinishImport("a"), kFailedPrecondition, "is not being imported");
  EXPECT_OK(pool_->CreateClone(Options("a", "other")));
}

TEST_F(Volumes, AnImportThatWasBrokenOffStaysOneAndCanBeDeleted) {
  ASSERT_OK(pool_->CreateVolume({.name = "a", .size_bytes = kSize, .importing = true}));
  pool_.Close();
  ASSERT_OK(pool_.Open());
  EXPECT_TRUE(Must(pool_->ShowVolume("a")).importing());
  EXPECT_OK(pool_->DeleteVolume("a"));
}

TEST_F(Volumes, ASealedEngineRefusesEverything) {
  MakeVolume("a");
  const std::unique_ptr<VolumeIo> io = OpenByName("a");
  ASSERT_OK(pool_->Seal());
  std::vector<std::byte> block(kExtent);
  EXPECT_CODE(io->Read(0, block), kAborted);
  EXPECT_CODE(io->Write(0, block), kAborted);
  EXPECT_CODE(io->Flush(), kAborted);
  EXPECT_CODE(io->Discard(0, kExtent), kAborted);
  EXPECT_CODE(pool_->CreateVolume({.name = "b", .size_bytes = kSize}), kAborted);
  EXPECT_CODE(pool_->CreateClone(Options("a", "b")), kAborted);
  EXPECT_OK(pool_->Seal()) << "again: the same answer";
}

}  // namespace
}  // namespace baton
