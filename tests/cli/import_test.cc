#include "cli/baton/import.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "engine/base/limits.h"
#include "tests/base/temporary_directory.h"
#include "tests/base/testing.h"

namespace baton {
namespace {

using testing::HasSubstr;

class ImportTest : public testing::Test {
 protected:
  void Write(const std::string& path, uint64_t offset, const std::string& data) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(offset));
    file << data;
  }

  std::string Make(const std::string& name, uint64_t size_bytes) {
    const std::string path = directory_.path() + "/" + name;
    std::ofstream(path).close();
    std::filesystem::resize_file(path, size_bytes);
    return path;
  }

  static std::string Content(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
  }

  static uint64_t AllocatedBytes(const std::string& path) {
    struct stat status;
    EXPECT_EQ(::stat(path.c_str(), &status), 0);
    return static_cast<uint64_t>(status.st_blocks) * 512;
  }

  const TemporaryDirectory directory_;
};

constexpr uint64_t kSize = 20 * limits::kMiB;

TEST_F(ImportTest, CopiesDataAndLeavesHolesHoles) {
  const std::string source = Make("source", kSize);
  const std::string volume = Make("volume", kSize);
  Write(source, 5000, "first");
  Write(source, 7 * limits::kMiB + 4095, std::string(3 * limits::kMiB, 'x'));
  Write(source, kSize - 3, "end");
  Write(source, 15 * limits::kMiB, std::string(limits::kMiB, '\0'));  // zeros, but no hole
  ASSERT_OK(CopyIntoVolume(Must(OpenImportSource(source)), volume, [](uint64_t) { return true; }));
  EXPECT_TRUE(Content(source) == Content(volume));
  EXPECT_LT(AllocatedBytes(volume), 5 * limits::kMiB);
}

TEST_F(ImportTest, TellsItsProgressAndStopsWhenTold) {
  const std::string source = Make("source", kSize);
  Write(source, 0, std::string(kSize, 'x'));
  uint64_t last = 0;
  const absl::Status status =
      CopyIntoVolume(Must(OpenImportSource(source)), Make("volume", kSize), [&](uint64_t done) {
        EXPECT_GE(done, last);
        last = done;
        return done < kSize / 2;
      });
  EXPECT_CODE(status, kCancelled);
  EXPECT_LT(last, kSize);
}

TEST_F(ImportTest, RefusesASourceThatChangesMeanwhile) {
  const std::string source = Make("source", kSize);
  Write(source, 0, std::string(kSize, 'x'));
  bool changed = false;
  const auto change = [&](uint64_t) {
    if (!changed) {
      std::filesystem::last_write_time(
          source, std::filesystem::file_time_type::clock::now() + std::chrono::seconds(5));
    }
    changed = true;
    return true;
  };
  const absl::Status status =
      CopyIntoVolume(Must(OpenImportSource(source)), Make("volume", kSize), change);
  EXPECT_CODE(status, kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("changed"));
}

TEST_F(ImportTest, SaysHowToPadAFileOfBrokenBlocks) {
  const auto source = OpenImportSource(Make("odd", 5000));
  EXPECT_CODE(source, kInvalidArgument);
  EXPECT_THAT(std::string(source.status().message()), HasSubstr("truncate -s 8192"));
}

TEST_F(ImportTest, PadsWholeSectorsToAWholeBlock) {
  const std::string source = Make("source", 5 * 512);
  Write(source, 0, std::string(5 * 512, 'x'));
  const ImportSource opened = Must(OpenImportSource(source));
  EXPECT_EQ(opened.volume_bytes, 4096u);
  const std::string volume = Make("volume", 4096);
  ASSERT_OK(CopyIntoVolume(opened, volume, [](uint64_t) { return true; }));
  EXPECT_EQ(Content(volume), std::string(5 * 512, 'x') + std::string(3 * 512, '\0'));
}

// What is in the page cache only, of a file system that allocates late, is data.
TEST_F(ImportTest, WhatWasJustWrittenIsNoHole) {
  const std::string source = Make("source", kSize);
  const UniqueFd fd(::open(source.c_str(), O_WRONLY | O_CLOEXEC));
  const std::string data(limits::kMiB, 'x');
  ASSERT_EQ(::pwrite(fd.get(), data.data(), data.size(), 3 * limits::kMiB),
            static_cast<ssize_t>(data.size()));
  const std::string volume = Make("volume", kSize);
  ASSERT_OK(CopyIntoVolume(Must(OpenImportSource(source)), volume, [](uint64_t) { return true; }));
  EXPECT_TRUE(Content(source) == Content(volume));
}

class ForeignImages : public ImportTest {
 protected:
  static bool Run(const std::string& command) { return std::system(command.c_str()) == 0; }
  // A disk with data in some places.
  std::string MakeDisk(uint64_t size_bytes = kSize) {
    const std::string disk = Make("disk", size_bytes);
    Write(disk, 512, "first");
    Write(disk, 7 * limits::kMiB + 4095, std::string(3 * limits::kMiB, 'x'));
    Write(disk, size_bytes - 3, "end");
    return disk;
  }
  void ExpectImported(const std::string& image, const std::string& disk) {
    const ImportSource source = Must(OpenImportSource(image));
    EXPECT_EQ(source.size_bytes, std::filesystem::file_size(disk)) << source.format.name;
    const std::string volume = Make("volume", source.volume_bytes);
    ASSERT_OK(CopyIntoVolume(source, volume, [](uint64_t) { return true; })) << source.format.name;
    EXPECT_TRUE(Content(volume).substr(0, source.size_bytes) == Content(disk));
    EXPECT_LT(AllocatedBytes(volume), 6 * limits::kMiB);
  }
};

TEST_F(ForeignImages, AreConverted) {
  if (!Run("command -v qemu-img > /dev/null")) GTEST_SKIP() << "qemu-img is not installed";
  const std::string disk = MakeDisk();
  for (const char* format :
       {"qcow2", "vmdk", "vhdx", "vdi", "vpc -o force_size", "vpc -o subformat=fixed,force_size"}) {
    const std::string image = directory_.path() + "/image";
    ASSERT_TRUE(Run(fmt::format("qemu-img convert -O {} {} {}", format, disk, image))) << format;
    ExpectImported(image, disk);
  }
}

TEST_F(ForeignImages, AreUnpacked) {
  const std::string disk = MakeDisk(kSize + 512);
  for (const char* program : {"gzip", "xz -1"}) {
    const std::string image = directory_.path() + "/image";
    ASSERT_TRUE(Run(fmt::format("{} -c {} > {}", program, disk, image)));
    ExpectImported(image, disk);
  }
}

TEST_F(ForeignImages, AreTakenAsTheyAreWhenThatIsAsked) {
  const std::string image = Make("image", 8192);
  Write(image, 0, "QFI\xfb");
  EXPECT_FALSE(OpenImportSource(image).ok());
  const ImportSource source = Must(OpenImportSource(image, ImportAs::kRaw));
  const std::string volume = Make("volume", 8192);
  ASSERT_OK(CopyIntoVolume(source, volume, [](uint64_t) { return true; }));
  EXPECT_EQ(Content(volume), Content(image));
}

TEST_F(ForeignImages, AreRefusedWhereAnotherFileIsNeeded) {
  if (!Run("command -v qemu-img > /dev/null")) GTEST_SKIP() << "qemu-img is not installed";
  const std::string image = directory_.path() + "/image";
  ASSERT_TRUE(Run(fmt::format("qemu-img create -q -f qcow2 -b {} -F raw {}", MakeDisk(), image)));
  const absl::Status status = OpenImportSource(image).status();
  EXPECT_CODE(status, kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("make one image"));
}

TEST_F(ForeignImages, ThatAreBrokenOrInsideOthersAreRefused) {
  const std::string disk = MakeDisk();
  const std::string image = directory_.path() + "/image";
  ASSERT_TRUE(Run(fmt::format("gzip -c {} | head -c 10000 > {}", disk, image)));
  EXPECT_CODE(OpenImportSource(image), kFailedPrecondition);
  Write(disk, 0, "QFI\xfb");
  ASSERT_TRUE(Run(fmt::format("gzip -c {} > {}", disk, image)));
  const absl::Status status = OpenImportSource(image).status();
  EXPECT_CODE(status, kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("unpack it first"));
}

TEST_F(ForeignImages, SayWhatToInstallWhenTheirReaderIsMissing) {
  const std::string image = Make("image", 8192);
  Write(image, 0, "QFI\xfb");
  const std::string path = std::getenv("PATH");
  ::setenv("PATH", directory_.path().c_str(), 1);
  const absl::Status status = OpenImportSource(image).status();
  ::setenv("PATH", path.c_str(), 1);
  EXPECT_CODE(status, kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("a qcow2 image"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("install the package qemu-utils"));
}

TEST_F(ImportTest, RefusesWhatHasNoContent) {
  EXPECT_CODE(OpenImportSource(Make("empty", 0)), kInvalidArgument);
  EXPECT_CODE(OpenImportSource(directory_.path()), kInvalidArgument);
  EXPECT_CODE(OpenImportSource("/dev/null"), kInvalidArgument);
  EXPECT_CODE(OpenImportSource(directory_.path() + "/none"), kNotFound);
}

}  // namespace
}  // namespace baton
