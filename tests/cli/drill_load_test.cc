#include "cli/baton/drill_load.h"

#include <absl/time/clock.h>
#include <fcntl.h>
#include <unistd.h>

#include <filesystem>

#include "engine/base/unique_fd.h"
#include "tests/base/testing.h"

namespace baton {
namespace {

using testing::HasSubstr;

constexpr uint64_t kBytes = 4 << 20;

bool GoOn(uint64_t, uint64_t) { return true; }

class DrillLoadTest : public testing::Test {
 protected:
  void SetUp() override {
    for (const std::string& path : {source_, target_}) {
      const UniqueFd file(::open(path.c_str(), O_RDWR | O_CREAT, 0600));
      ASSERT_EQ(::ftruncate(file.get(), kBytes), 0);
    }
    load_ = Must(DrillLoad::Open(source_, kBytes, 5));
    ASSERT_OK(load_->Fill(GoOn));
    std::filesystem::copy_file(source_, target_, std::filesystem::copy_options::overwrite_existing);
    ASSERT_OK(load_->Start(target_));
    const absl::Time end = absl::Now() + absl::Seconds(20);
    while (load_->counts().writes < 30 && absl::Now() < end) absl::SleepFor(absl::Milliseconds(5));
  }
  static void Damage(const std::string& path, off_t offset) {
    const UniqueFd file(::open(path.c_str(), O_RDWR));
    char byte = 0;
    ASSERT_EQ(::pread(file.get(), &byte, 1, offset), 1);
    byte = static_cast<char>(byte ^ 1);
    ASSERT_EQ(::pwrite(file.get(), &byte, 1, offset), 1);
  }

  TemporaryDirectory directory_;
  const std::string source_ = directory_.path() + "/source";
  const std::string target_ = directory_.path() + "/target";
  std::unique_ptr<DrillLoad> load_;
};

TEST_F(DrillLoadTest, FindsBothAsTheyMustBeHoweverOftenItLooks) {
  for (int i = 0; i < 3; ++i) {
    EXPECT_OK(load_->Compare(GoOn));
    absl::SleepFor(absl::Milliseconds(50));
  }
  EXPECT_GT(load_->TakeLongest(), absl::ZeroDuration());
}

class DrillLoadOffsetTest : public DrillLoadTest, public testing::WithParamInterface<uint64_t> {};

INSTANTIATE_TEST_SUITE_P(, DrillLoadOffsetTest, testing::Values(0, kBytes / 2 + 7, kBytes - 1));

TEST_P(DrillLoadOffsetTest, FindsEveryByteThatIsWrong) {
  Damage(target_, static_cast<off_t>(GetParam()));
  EXPECT_THAT(
      std::string(load_->Compare(GoOn).message()),
      HasSubstr("byte " + std::to_string(GetParam()) + " of " + target_ + " is not as at T0"));
}

TEST_F(DrillLoadTest, FindsAWriteThatIsLost) {
  Damage(source_, kBytes - 1);
  EXPECT_THAT(std::string(load_->Compare(GoOn).message()), HasSubstr("is not what was written"));
}

TEST_F(DrillLoadTest, GivesUpWhenTold) {
  EXPECT_CODE(load_->Compare([](uint64_t, uint64_t) { return false; }), kCancelled);
}

}  // namespace
}  // namespace baton
