#include "ha/io/unix_listener.h"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "tests/base/temporary_directory.h"
#include "tests/base/testing.h"

namespace baton::ha {
namespace {

class UnixListenerTest : public testing::Test {
 protected:
  // What a process that died leaves behind.
  void LeaveStaleSocket() {
    auto listener = Must(UnixListener::Bind(path_, 0600));
    std::filesystem::create_hard_link(path_, path_ + ".kept");
    listener.reset();
    std::filesystem::rename(path_ + ".kept", path_);
  }

  const TemporaryDirectory directory_;
  const std::string path_ = directory_.path() + "/socket";
};

TEST_F(UnixListenerTest, SomebodyListensFromBindOnAndNobodyAfterwards) {
  EXPECT_CODE(ProbeUnixSocket(path_), kNotFound);
  auto listener = Must(UnixListener::Bind(path_, 0600));
  EXPECT_OK(ProbeUnixSocket(path_));
  listener.reset();
  EXPECT_CODE(ProbeUnixSocket(path_), kNotFound);
}

TEST_F(UnixListenerTest, AdoptedToBeLeftTheFileStays) {
  const auto listener = Must(UnixListener::Bind(path_, 0600));
  UnixListener::Adopt(path_, UniqueFd(::dup(listener->lock_fd())), UniqueFd(::dup(listener->fd())),
                      UnixListener::AtEnd::kLeave)
      .reset();
  EXPECT_OK(ProbeUnixSocket(path_));
}

TEST_F(UnixListenerTest, TheModeOfTheFileIsTheOneAskedFor) {
  const auto listener = Must(UnixListener::Bind(path_, 0660));
  struct stat status;
  ASSERT_EQ(::stat(path_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0660U);
}

TEST_F(UnixListenerTest, TheGroupOfTheFileIsTheOneAskedFor) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root may give a file to any group";
  constexpr gid_t kGroup = 12'345;
  const auto listener = Must(UnixListener::Bind(path_, 0660, kGroup));
  struct stat status;
  ASSERT_EQ(::stat(path_.c_str(), &status), 0);
  EXPECT_EQ(status.st_gid, kGroup);
  EXPECT_EQ(status.st_uid, ::geteuid());
}

TEST_F(UnixListenerTest, ASecondListenerIsRefusedAndTheFirstOneGoesOn) {
  const auto first = Must(UnixListener::Bind(path_, 0600));
  EXPECT_CODE(UnixListener::Bind(path_, 0600), kFailedPrecondition);
  EXPECT_OK(ProbeUnixSocket(path_));
}

TEST_F(UnixListenerTest, AListenerWithoutTheLockIsNotReplacedEither) {
  const auto first = Must(UnixListener::Bind(path_, 0600));
  std::filesystem::remove(path_ + ".lock");
  EXPECT_CODE(UnixListener::Bind(path_, 0600), kFailedPrecondition);
  EXPECT_OK(ProbeUnixSocket(path_));
}

TEST_F(UnixListenerTest, TheSocketOfADeadProcessIsReplaced) {
  LeaveStaleSocket();
  EXPECT_CODE(ProbeUnixSocket(path_), kUnavailable);
  const auto listener = Must(UnixListener::Bind(path_, 0600));
  EXPECT_OK(ProbeUnixSocket(path_));
}

TEST_F(UnixListenerTest, AFileThatIsNoSocketIsLeftAlone) {
  std::ofstream(path_) << "precious";
  EXPECT_CODE(UnixListener::Bind(path_, 0600), kFailedPrecondition);
  EXPECT_EQ(std::filesystem::file_size(path_), 8U);
}

TEST_F(UnixListenerTest, APathThatNoSocketCanHaveIsRefused) {
  const std::string too_long = directory_.path() + "/" + std::string(120, 'x');
  EXPECT_CODE(UnixListener::Bind(too_long, 0600), kInvalidArgument);
  EXPECT_CODE(ProbeUnixSocket(""), kInvalidArgument);
}

TEST_F(UnixListenerTest, ADirectoryThatIsNotThereIsRefused) {
  EXPECT_CODE(UnixListener::Bind(directory_.path() + "/no/socket", 0600), kNotFound);
}

}  // namespace
}  // namespace baton::ha
