// Volumes as names in a directory.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/time.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <filesystem>

#include "engine/base/limits.h"
#include "engine/base/status.h"
#include "tests/fs/mounted_test.h"

namespace baton::fs {
namespace {

using testing::ElementsAre;

class NamesTest : public MountedTest {
 protected:
  struct stat StatOf(const std::string& name) const {
    struct stat result = {};
    EXPECT_EQ(::stat(Path(name).c_str(), &result), 0) << std::strerror(errno);
    return result;
  }

  int StatError(const std::string& name) const {
    struct stat unused = {};
    return ErrorOf(::stat(Path(name).c_str(), &unused));
  }

  std::vector<std::string> Names() const {
    std::vector<std::string> result;
    for (const auto& entry : std::filesystem::directory_iterator(mount_->path())) {
      result.push_back(entry.path().filename());
    }
    std::sort(result.begin(), result.end());
    return result;
  }
};

TEST_F(NamesTest, AVolumeIsARegularFileOfItsSize) {
  const struct stat attributes = StatOf("alpha");
  EXPECT_TRUE(S_ISREG(attributes.st_mode));
  EXPECT_EQ(attributes.st_mode & 07777, 0660u);
  EXPECT_EQ(attributes.st_size, static_cast<off_t>(kVolumeBytes));
  EXPECT_EQ(attributes.st_nlink, 1u);
}

TEST_F(NamesTest, BlocksAreThoseThatAreAllocated) {
  EXPECT_EQ(StatOf("alpha").st_blocks, 0);
  const UniqueFd file = Open(O_RDWR);
  WriteAt(file.get(), 0, Pattern(1, 64 << 10));
  ASSERT_EQ(::fsync(file.get()), 0);
  EXPECT_GE(StatOf("alpha").st_blocks, (64 << 10) / 512);
}

TEST_F(NamesTest, TheTimeOfTheLastWriteIsKnown) {
  const UniqueFd file = Open(O_RDWR);
  const struct stat before = StatOf("alpha");
  WriteAt(file.get(), 0, "x");
  struct stat after = {};
  ASSERT_EQ(::fstat(file.get(), &after), 0);
  EXPECT_GT(after.st_mtim.tv_sec * 1'000'000'000 + after.st_mtim.tv_nsec,
            before.st_mtim.tv_sec * 1'000'000'000 + before.st_mtim.tv_nsec);
}

TEST_F(NamesTest, AChangeByAnotherNodeIsSeenAtOnce) {
  const struct stat before = StatOf("alpha");
  volumes_->Changed(kVolume);
  const struct stat after = StatOf("alpha");
  EXPECT_GT(after.st_mtim.tv_sec, before.st_mtim.tv_sec);
  EXPECT_GT(after.st_ctim.tv_sec, before.st_ctim.tv_sec);
}

TEST_F(NamesTest, InodesDependOnTheVolumeAlone) {
  volumes_->Add(1, "first", 4096);
  const ino_t alpha = StatOf("alpha").st_ino;
  const ino_t first = StatOf("first").st_ino;
  const ino_t root = StatOf("").st_ino;
  EXPECT_EQ(root, 1u);
  EXPECT_NE(first, root);
  EXPECT_NE(first, alpha);

  session_->Stop();
  Serve(/*adopt=*/true);
  EXPECT_EQ(StatOf("alpha").st_ino, alpha);
  EXPECT_EQ(StatOf("first").st_ino, first);
}

TEST_F(NamesTest, AMissingNameIsNotFound) { EXPECT_EQ(StatError("nobody"), ENOENT); }

TEST_F(NamesTest, ListsTheVolumes) {
  volumes_->Add(9, "gamma", 4096);
  volumes_->Add(8, "beta", 4096);
  EXPECT_THAT(Names(), ElementsAre("alpha", "beta", "gamma"));
}

TEST_F(NamesTest, ListsAsManyAsThereMayBe) {
  std::vector<std::string> expected = {"alpha"};
  for (uint64_t id = 100; id < 100 + 600; ++id) {
    volumes_->Add(id, fmt::format("volume-with-a-name-of-some-length-{}", id), 4096);
    expected.push_back(fmt::format("volume-with-a-name-of-some-length-{}", id));
  }
  EXPECT_EQ(Names(), expected);
}

TEST_F(NamesTest, AListingOfThousandsAsksForEachNameAFewTimes) {
  constexpr uint64_t kVolumes = 3000;
  for (uint64_t id = 100; id < 100 + kVolumes; ++id) {
    volumes_->Add(id, fmt::format("volume-with-a-name-of-some-length-{}", id), 4096);
  }
  EXPECT_EQ(Names().size(), kVolumes + 1);
  EXPECT_LT(counters_.names_listed, 4 * kVolumes);
}

TEST_F(NamesTest, ANameComesAndGoesAtOnce) {
  EXPECT_EQ(StatError("late"), ENOENT);
  volumes_->Add(20, "late", 4096);
  EXPECT_EQ(StatError("late"), 0);
  volumes_->Remove(20);
  EXPECT_EQ(StatError("late"), ENOENT);
  volumes_->Add(21, "late", 8192);
  EXPECT_EQ(StatOf("late").st_size, 8192);
}

TEST_F(NamesTest, CapacityIsThePools) {
  struct statvfs answer = {};
  ASSERT_EQ(::statvfs(mount_->path().c_str(), &answer), 0);
  EXPECT_EQ(answer.f_blocks * answer.f_frsize, 1'000'000u * 4096);
  EXPECT_EQ(answer.f_bavail * answer.f_frsize, 400'000u * 4096);
  EXPECT_EQ(answer.f_namemax, limits::kMaxNameBytes);
}

TEST_F(NamesTest, NamesCannotBeMadeRenamedOrRemoved) {
  EXPECT_EQ(ErrorOf(::open(Path("new").c_str(), O_CREAT | O_RDWR, 0600)), EPERM);
  EXPECT_EQ(ErrorOf(::mknod(Path("new").c_str(), S_IFREG | 0600, 0)), EPERM);
  EXPECT_EQ(ErrorOf(::mkdir(Path("new").c_str(), 0700)), EPERM);
  EXPECT_EQ(ErrorOf(::symlink("alpha", Path("new").c_str())), EPERM);
  EXPECT_EQ(ErrorOf(::link(Path("alpha").c_str(), Path("new").c_str())), EPERM);
  EXPECT_EQ(ErrorOf(::rename(Path("alpha").c_str(), Path("new").c_str())), EPERM);
  EXPECT_EQ(ErrorOf(::unlink(Path("alpha").c_str())), EPERM);
  EXPECT_THAT(Names(), ElementsAre("alpha"));
}

TEST_F(NamesTest, AVolumeKeepsItsSizeAndItsData) {
  const UniqueFd file = Open(O_RDWR);
  const std::string data = Pattern(3, 4096);
  WriteAt(file.get(), 8192, data);
  EXPECT_EQ(ErrorOf(::ftruncate(file.get(), 0)), EPERM);
  EXPECT_EQ(ErrorOf(::ftruncate(file.get(), kVolumeBytes + 4096)), ENOSPC);
  EXPECT_EQ(ErrorOf(::truncate(Path().c_str(), 4096)), EPERM);
  EXPECT_EQ(ErrorOf(::ftruncate(file.get(), kVolumeBytes)), 0) << "to the size that it has";
  EXPECT_EQ(ErrorOf(::ftruncate(file.get(), 12288)), 0) << "what is cut off is a hole";
  EXPECT_EQ(StatOf("alpha").st_size, static_cast<off_t>(kVolumeBytes));
  EXPECT_EQ(ReadAt(file.get(), 8192, 4096), data);
}

TEST_F(NamesTest, OpeningToTruncateChangesNothing) {
  const UniqueFd file = Open(O_RDWR);
  const std::string data = Pattern(3, 4096);
  WriteAt(file.get(), 8192, data);
  const UniqueFd truncating = Open(O_RDWR | O_TRUNC);
  EXPECT_EQ(::lseek(file.get(), 0, SEEK_END), static_cast<off_t>(kVolumeBytes));
  EXPECT_EQ(StatOf("alpha").st_size, static_cast<off_t>(kVolumeBytes));
  EXPECT_EQ(ReadAt(truncating.get(), 8192, 4096), data);
}

TEST_F(NamesTest, ANameThatIsTooLongIsSaidToBe) {
  for (const size_t length : {size_t{64}, size_t{255}, size_t{256}, size_t{1000}}) {
    EXPECT_EQ(StatError(std::string(length, 'x')), ENAMETOOLONG) << length;
  }
  EXPECT_EQ(StatError(std::string(limits::kMaxNameBytes, 'x')), ENOENT);
}

// A file by its handle, as a server of NFS finds it: a number that is the same in every process
// and under every device number.
class HandlesTest : public NamesTest {
 protected:
  struct Handle {
    file_handle header;
    char bytes[MAX_HANDLE_SZ];
  };

  Handle HandleOf(const std::string& name) const {
    Handle handle = {};
    handle.header.handle_bytes = sizeof(handle.bytes);
    int mount_id = 0;
    EXPECT_EQ(::name_to_handle_at(AT_FDCWD, Path(name).c_str(), &handle.header, &mount_id, 0), 0)
        << std::strerror(errno);
    return handle;
  }

  UniqueFd OpenHandle(Handle& handle, int flags) const {
    const UniqueFd directory(::open(mount_->path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    return UniqueFd(::open_by_handle_at(directory.get(), &handle.header, flags | O_CLOEXEC));
  }

  // The kernel has to ask for what it knew.
  static void ForgetNodes() {
    const UniqueFd caches(::open("/proc/sys/vm/drop_caches", O_WRONLY | O_CLOEXEC));
    EXPECT_EQ(::write(caches.get(), "2", 1), 1);
  }
};

TEST_F(HandlesTest, AHandleIsTheVolumeForEver) {
  WriteAt(Open(O_RDWR).get(), 0, "content");
  Handle handle = HandleOf("alpha");
  ForgetNodes();
  session_->Stop();
  Serve(/*adopt=*/true);
  const UniqueFd file = OpenHandle(handle, O_RDWR);
  ASSERT_TRUE(file.valid()) << std::strerror(errno);
  EXPECT_EQ(ReadAt(file.get(), 0, 7), "content");
}

TEST_F(HandlesTest, AHandleOfADeletedVolumeIsStale) {
  volumes_->Add(20, "late", 4096);
  Handle handle = HandleOf("late");
  volumes_->Remove(20);
  ForgetNodes();
  EXPECT_FALSE(OpenHandle(handle, O_RDONLY).valid());
  EXPECT_EQ(errno, ESTALE);
}

TEST_F(NamesTest, ModeAndOwnerAreTheControllersTimesDoNotMatter) {
  EXPECT_EQ(ErrorOf(::chmod(Path().c_str(), 0777)), EPERM);
  EXPECT_EQ(ErrorOf(::chown(Path().c_str(), 1, 1)), EPERM);
  EXPECT_EQ(ErrorOf(::utimes(Path().c_str(), nullptr)), 0);
  EXPECT_EQ(StatOf("alpha").st_mode & 07777, 0660u);
  EXPECT_EQ(StatOf("alpha").st_uid, 0u);
}

TEST_F(NamesTest, ThereAreNoExtendedAttributes) {
  EXPECT_EQ(ErrorOf(::setxattr(Path().c_str(), "user.x", "1", 1, 0)), EOPNOTSUPP);
  EXPECT_EQ(ErrorOf(::getxattr(Path().c_str(), "user.x", nullptr, 0)), EOPNOTSUPP);
}

}  // namespace
}  // namespace baton::fs
