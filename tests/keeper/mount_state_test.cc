#include "cli/keeper/mount_state.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "cli/keeper/adoption_socket.h"
#include "tests/base/temporary_directory.h"
#include "tests/base/testing.h"

namespace baton::keeper {
namespace {

TEST(IsMountPointTest, OnePathMayBeWrittenInManyWays) {
  EXPECT_TRUE(IsMountPoint("/mnt/volumes", "/mnt/volumes"));
  EXPECT_TRUE(IsMountPoint("/mnt/volumes", "/mnt/volumes/"));
  EXPECT_TRUE(IsMountPoint("/mnt/volumes", "/mnt/x/../volumes"));
  EXPECT_FALSE(IsMountPoint("/mnt/volumes", "/mnt/volume"));
  EXPECT_FALSE(IsMountPoint("/mnt/volumes", "/mnt/volumes/x"));
}

TEST(IsMountPointTest, LinksAboveItAreFollowed) {
  const TemporaryDirectory directory;
  const std::string real = std::filesystem::canonical(directory.path());
  std::filesystem::create_directory(real + "/real");
  std::filesystem::create_symlink(real + "/real", real + "/link");
  EXPECT_TRUE(IsMountPoint(real + "/real/mnt", real + "/link/mnt"));
}

TEST(DoorTest, WhoKnocksAndWhoOpensKnowEachOther) {
  const TemporaryDirectory directory;
  const std::string control = directory.path() + "/control";
  const auto adoption = Must(AdoptionSocket::Open(control));
  const AdoptionSocket::Connection host = Must(AdoptionSocket::Connect(control));
  const AdoptionSocket::Connection guest = Must(adoption->Accept());
  EXPECT_EQ(host.pid, ::getpid());
  EXPECT_EQ(guest.pid, ::getpid());
  ASSERT_EQ(::send(host.socket.get(), "x", 1, 0), 1);
  char byte = 0;
  EXPECT_EQ(::recv(guest.socket.get(), &byte, 1, 0), 1);
}

TEST(DoorTest, IsForItsUserAlone) {
  const TemporaryDirectory directory;
  const auto adoption = Must(AdoptionSocket::Open(directory.path() + "/control"));
  struct stat status = {};
  ASSERT_EQ(::stat((directory.path() + "/control.keeper").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
}

TEST(DoorTest, NobodyThereIsNotFound) {
  const TemporaryDirectory directory;
  const std::string control = directory.path() + "/control";
  EXPECT_TRUE(absl::IsNotFound(AdoptionSocket::Connect(control).status()));
  Must(AdoptionSocket::Open(control)).reset();
  EXPECT_TRUE(absl::IsNotFound(AdoptionSocket::Connect(control).status()));
}

TEST(TakeFromControllerTest, NoControllerIsNotFound) {
  const TemporaryDirectory directory;
  EXPECT_TRUE(absl::IsNotFound(TakeFromController(directory.path() + "/control", "/mnt").status()));
}

}  // namespace
}  // namespace baton::keeper
