#include "tests/fs/mounted_test.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <random>

#include "fs/open_table.h"

namespace baton::fs {
namespace {

// Longer than any test takes; a test that hangs ends here, and the guard cleans up after it.
constexpr unsigned kTestSeconds = 300;

// In the guard process: until `alive` has no writer, then everything goes.
[[noreturn]] void Guard(int alive, const char* mount_point, const char* root) {
  // Whatever the test process is told by its terminal or its runner, this one has work to do.
  ::setsid();
  char byte;
  while (::read(alive, &byte, 1) < 0 && errno == EINTR) continue;
  while (::umount2(mount_point, MNT_DETACH | UMOUNT_NOFOLLOW) == 0) continue;
  std::error_code ignored;
  std::filesystem::remove_all(root, ignored);
  ::_exit(0);
}

}  // namespace

Scratch::Scratch() {
  std::string pattern = (std::filesystem::temp_directory_path() / "baton-fs-XXXXXX").string();
  root_ = ::mkdtemp(pattern.data());
  std::filesystem::create_directory(mount_point());
  std::filesystem::create_directory(volumes());
  int ends[2] = {-1, -1};
  EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const UniqueFd read_end(ends[0]);
  alive_ = UniqueFd(ends[1]);
  const std::string mount = mount_point();
  guard_ = ::fork();
  if (guard_ == 0) {
    ::close(alive_.Release());
    Guard(read_end.get(), mount.c_str(), root_.c_str());
  }
  ::alarm(kTestSeconds);
}

Scratch::~Scratch() {
  ::alarm(0);
  alive_ = UniqueFd();
  ::waitpid(guard_, nullptr, 0);
}

bool CanMount() { return ::geteuid() == 0 && ::access("/dev/fuse", R_OK | W_OK) == 0; }

void MountedTest::SetUp() {
  if (!CanMount()) GTEST_SKIP() << "mounting needs root and /dev/fuse";
  scratch_ = std::make_unique<Scratch>();
  volumes_ = std::make_unique<FakeVolumes>(scratch_->volumes(), counters_);
  volumes_->Add(kVolume, "alpha", kVolumeBytes);
  auto mount = Mount::Make({.path = scratch_->mount_point()});
  ASSERT_TRUE(mount.ok()) << mount.status();
  mount_ = *std::move(mount);
  auto open_table = OpenTable::MakeFile();
  ASSERT_TRUE(open_table.ok()) << open_table.status();
  open_table_ = *std::move(open_table);
  Serve(/*adopt=*/false);
}

void MountedTest::TearDown() {
  // The name first: nobody can begin anything new while the session goes.
  if (mount_ == nullptr) return;
  EXPECT_TRUE(mount_->TakeDown(Unmount::kLazy).ok());
  session_.reset();
  mount_.reset();
  scratch_.reset();
}

SessionOptions MountedTest::Options(bool adopt) {
  SessionOptions options;
  options.fd = mount_->fd();
  options.init_request = mount_->init_request();
  options.adopt = adopt;
  options.open_table = open_table_.get();
  options.on_disconnect = [this] { ++disconnects_; };
  options.on_first_answer = [this](std::optional<absl::Duration> came) {
    first_came_ = came;
    ++first_answers_;
  };
  return options;
}

void MountedTest::Serve(bool adopt) {
  auto session = Session::Start(*volumes_, runtime_, Options(adopt));
  ASSERT_TRUE(session.ok()) << session.status();
  session_ = *std::move(session);
}

UniqueFd MountedTest::Open(int flags, const std::string& name) const {
  UniqueFd fd(::open(Path(name).c_str(), flags | O_CLOEXEC));
  EXPECT_TRUE(fd.valid()) << name << ": " << std::strerror(errno);
  return fd;
}

int ErrorOf(int64_t result) { return result == -1 ? errno : 0; }

std::string Pattern(uint64_t seed, size_t length) {
  std::mt19937_64 random(seed);
  std::string result(length, '\0');
  for (size_t i = 0; i < length; i += sizeof(uint64_t)) {
    const uint64_t word = random();
    std::memcpy(result.data() + i, &word, std::min(sizeof(word), length - i));
  }
  return result;
}

void WriteAt(int fd, uint64_t offset, const std::string& data) {
  ASSERT_EQ(::pwrite(fd, data.data(), data.size(), static_cast<off_t>(offset)),
            static_cast<ssize_t>(data.size()))
      << std::strerror(errno);
}

std::string ReadAt(int fd, uint64_t offset, size_t length) {
  std::string result(length, '\0');
  const ssize_t done = ::pread(fd, result.data(), length, static_cast<off_t>(offset));
  EXPECT_GE(done, 0) << std::strerror(errno);
  result.resize(done < 0 ? 0 : static_cast<size_t>(done));
  return result;
}

}  // namespace baton::fs
