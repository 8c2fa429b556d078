// Where a mount may be made, and what a refused one leaves behind: nothing.
#include "fs/mount.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <thread>

#include "engine/base/status.h"
#include "fs/mount_table.h"
#include "tests/fs/mounted_test.h"

namespace baton::fs {
namespace {

using testing::HasSubstr;
using testing::SizeIs;

TEST(MountTableTest, ReadsPathTypeAndDevice) {
  const MountedAt mount = ParseMountInfoLine(
      "36 35 98:0 /mnt1 /a\\040b\\134c rw,noatime master:1 propagate_from:2 - fuse.baton baton rw");
  EXPECT_EQ(mount.path, "/a b\\c");
  EXPECT_EQ(mount.type, "fuse.baton");
  EXPECT_EQ(mount.device, "98:0");
}

TEST(MountTableTest, TakesNoGarbage) {
  EXPECT_EQ(ParseMountInfoLine("").path, "");
  EXPECT_EQ(ParseMountInfoLine("36 35 98:0 /mnt1 /a rw - ").path, "");
}

class MountTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!CanMount()) GTEST_SKIP() << "mounting needs root and /dev/fuse";
    scratch_ = std::make_unique<Scratch>();
  }

  size_t MountCount() const { return MountsAt(scratch_->mount_point())->size(); }

  // Of a refused mount.
  absl::Status Refusal(const std::string& path) const {
    const auto mount = Mount::Make({.path = path});
    EXPECT_FALSE(mount.ok());
    return mount.status();
  }

  std::unique_ptr<Scratch> scratch_;
};

TEST_F(MountTest, RefusesAMountPointThatIsNotThere) {
  const absl::Status refusal = Refusal(scratch_->root() + "/nowhere");
  EXPECT_TRUE(absl::IsNotFound(refusal));
  EXPECT_THAT(Message(refusal), HasSubstr("does not exist"));
}

TEST_F(MountTest, RefusesAFile) {
  const std::string path = scratch_->root() + "/file";
  std::ofstream(path) << "x";
  const absl::Status refusal = Refusal(path);
  EXPECT_TRUE(absl::IsFailedPrecondition(refusal));
  EXPECT_THAT(Message(refusal), HasSubstr("not a directory"));
}

TEST_F(MountTest, RefusesADirectoryThatIsNotEmpty) {
  std::ofstream(scratch_->mount_point() + "/precious") << "x";
  const absl::Status refusal = Refusal(scratch_->mount_point());
  EXPECT_TRUE(absl::IsFailedPrecondition(refusal));
  EXPECT_THAT(Message(refusal), HasSubstr("not empty"));
  EXPECT_EQ(MountCount(), 0u);
}

TEST_F(MountTest, RefusesTheMountPointOfAnotherFileSystem) {
  ASSERT_EQ(::mount("none", scratch_->mount_point().c_str(), "tmpfs", 0, nullptr), 0);
  const absl::Status refusal = Refusal(scratch_->mount_point());
  EXPECT_TRUE(absl::IsFailedPrecondition(refusal));
  EXPECT_THAT(Message(refusal), HasSubstr("tmpfs"));
  EXPECT_EQ(MountCount(), 1u) << "somebody else's mount is left alone";
}

TEST_F(MountTest, ReplacesADeadMountOfAnEarlierController) {
  const pid_t earlier = ::fork();
  if (earlier == 0) {
    const auto mount = Mount::Make({.path = scratch_->mount_point()});
    ::_exit(mount.ok() ? 0 : 1);  // no destructor: as if killed
  }
  int status = -1;
  ASSERT_EQ(::waitpid(earlier, &status, 0), earlier);
  ASSERT_EQ(status, 0);
  struct stat unused = {};
  ASSERT_EQ(ErrorOf(::stat(scratch_->mount_point().c_str(), &unused)), ENOTCONN);

  const auto mount = Mount::Make({.path = scratch_->mount_point()});
  ASSERT_TRUE(mount.ok()) << mount.status();
  EXPECT_EQ(MountCount(), 1u);
}

TEST_F(MountTest, FindsTheMountPointThroughSymbolicLinksAndSlashes) {
  const std::string link = scratch_->root() + "/link";
  ASSERT_EQ(::symlink(scratch_->mount_point().c_str(), link.c_str()), 0);
  const auto mount = Mount::Make({.path = link + "//"});
  ASSERT_TRUE(mount.ok()) << mount.status();
  EXPECT_EQ((*mount)->path(), scratch_->mount_point());
  EXPECT_EQ(MountCount(), 1u);
}

TEST_F(MountTest, IsGoneWithItsObject) {
  { ASSERT_TRUE(Mount::Make({.path = scratch_->mount_point()}).ok()); }
  EXPECT_EQ(MountCount(), 0u);
}

TEST_F(MountTest, AdoptedToBeLeftItStays) {
  const auto mount = Mount::Make({.path = scratch_->mount_point()});
  ASSERT_TRUE(mount.ok());
  {
    const auto adopted =
        Mount::Adopt((*mount)->path(), (*mount)->device(), UniqueFd(::dup((*mount)->fd())),
                     (*mount)->init_request(), AtEnd::kLeave);
    EXPECT_TRUE(adopted->Connected());
  }
  EXPECT_EQ(MountCount(), 1u);
  EXPECT_TRUE((*mount)->Connected());
}

TEST_F(MountTest, LeavesAMountAloneThatCameInItsPlace) {
  auto mount = Mount::Make({.path = scratch_->mount_point()});
  ASSERT_TRUE(mount.ok());
  ASSERT_EQ(::umount2(scratch_->mount_point().c_str(), MNT_DETACH), 0);
  ASSERT_EQ(::mount("none", scratch_->mount_point().c_str(), "tmpfs", 0, nullptr), 0);
  EXPECT_TRUE((*mount)->TakeDown(Unmount::kLazy).ok());
  EXPECT_EQ(MountCount(), 1u);
}

using ServedMountTest = MountedTest;

TEST_F(ServedMountTest, RefusesTheMountPointOfARunningController) {
  const auto second = Mount::Make({.path = scratch_->mount_point()});
  EXPECT_TRUE(absl::IsFailedPrecondition(second.status()));
  EXPECT_THAT(Message(second.status()), HasSubstr("running controller"));
  EXPECT_THAT(*MountsAt(scratch_->mount_point()), SizeIs(1));
}

TEST_F(ServedMountTest, IsNotTakenDownCleanlyWhileAFileIsOpen) {
  UniqueFd file = Open(O_RDWR);
  const absl::Status refusal = mount_->TakeDown(Unmount::kClean);
  EXPECT_TRUE(absl::IsFailedPrecondition(refusal));
  EXPECT_THAT(Message(refusal), HasSubstr("in use"));
  WriteAt(file.get(), 0, "still works");

  file = UniqueFd();
  EXPECT_TRUE(mount_->TakeDown(Unmount::kClean).ok());
  EXPECT_THAT(*MountsAt(scratch_->mount_point()), SizeIs(0));
}

TEST_F(ServedMountTest, TakenDownLazilyServesOpenFilesToTheEnd) {
  const UniqueFd file = Open(O_RDWR);
  ASSERT_TRUE(mount_->TakeDown(Unmount::kLazy).ok());
  WriteAt(file.get(), 100, "late");
  EXPECT_EQ(ReadAt(file.get(), 100, 4), "late");
  struct stat attributes = {};
  EXPECT_EQ(ErrorOf(::stat(Path().c_str(), &attributes)), ENOENT);
}

TEST_F(ServedMountTest, TakenDownByForceEndsWhatWaitsAtOnce) {
  const UniqueFd file = Open(O_RDWR);
  session_.reset();  // nobody serves, but the mount is held
  int error = 0;
  std::thread host([&] { error = ErrorOf(::pwrite(file.get(), "x", 1, 0)); });
  absl::SleepFor(absl::Milliseconds(50));
  ASSERT_TRUE(mount_->TakeDown(Unmount::kForced).ok());
  host.join();
  EXPECT_NE(error, 0);
  EXPECT_NE(ErrorOf(::fsync(file.get())), 0);
  EXPECT_FALSE(mount_->Connected());
  EXPECT_THAT(*MountsAt(scratch_->mount_point()), SizeIs(0));
  EXPECT_TRUE(mount_->TakeDown(Unmount::kForced).ok()) << "it is";
}

}  // namespace
}  // namespace baton::fs
