#include "cli/import.h"

#include <sys/stat.h>

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

TEST_F(ImportTest, RefusesWhatHasNoContent) {
  EXPECT_CODE(OpenImportSource(Make("empty", 0)), kInvalidArgument);
  EXPECT_CODE(OpenImportSource(directory_.path()), kInvalidArgument);
  EXPECT_CODE(OpenImportSource("/dev/null"), kInvalidArgument);
  EXPECT_CODE(OpenImportSource(directory_.path() + "/none"), kNotFound);
}

}  // namespace
}  // namespace baton
