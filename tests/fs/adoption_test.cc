// A controller process is killed with requests in flight, another one adopts the mount, and no
// application notices. Three kinds of processes: this one is the keeper (it holds the descriptor
// and never touches the mount), its children are applications and, one after the other,
// controllers.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <new>
#include <random>
#include <thread>

#include "tests/fs/mounted_test.h"

namespace baton::fs {
namespace {

constexpr uint64_t kVolume = 3;
constexpr int kApplications = 3;
constexpr int kThreads = 4;
constexpr uint64_t kPartBytes = 3 << 20;
constexpr int kKills = 16;

// What the processes share.
struct Shared {
  std::atomic<bool> stop{false};
  std::atomic<uint64_t> operations{0};
  std::atomic<uint64_t> errors{0};
  std::atomic<uint64_t> mismatches{0};
  std::atomic<int> sessions{0};
  std::atomic<pid_t> serving{0};  // the controller whose session started last
  IoCounters io;
};

class SharedMemory {
 public:
  SharedMemory()
      : shared_(new (::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE,
                            MAP_SHARED | MAP_ANONYMOUS, -1, 0)) Shared) {}
  ~SharedMemory() { ::munmap(shared_, sizeof(Shared)); }
  SharedMemory(const SharedMemory&) = delete;
  SharedMemory& operator=(const SharedMemory&) = delete;
  Shared* operator->() const { return shared_; }
  Shared& operator*() const { return *shared_; }

 private:
  Shared* const shared_;
};

// Runs `body` in a child that ends when this process ends.
template <typename Body>
pid_t Spawn(Body body) {
  const pid_t child = ::fork();
  if (child != 0) return child;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  body();
  ::_exit(0);
}

// One thread of an application: writes and reads its part, compares all that it reads.
void UsePart(const std::string& path, uint64_t seed, Shared& shared) {
  const UniqueFd file(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  const off_t begin = static_cast<off_t>(seed * kPartBytes);
  std::string model(kPartBytes, '\0');
  std::string buffer(kPartBytes, '\0');
  std::mt19937_64 random(seed);
  for (; !shared.stop; ++shared.operations) {
    const size_t length = random() % 16 == 0 ? 1 << 20 : 1 + random() % 8192;
    const off_t offset = static_cast<off_t>(random() % (kPartBytes - length + 1));
    ssize_t done = 0;
    if (random() % 2 == 0) {
      const std::string data = Pattern(random(), length);
      done = ::pwrite(file.get(), data.data(), length, begin + offset);
      model.replace(static_cast<size_t>(offset), length, data);
    } else {
      done = ::pread(file.get(), buffer.data(), length, begin + offset);
      if (model.compare(static_cast<size_t>(offset), length, buffer.data(), length) != 0) {
        ++shared.mismatches;
      }
    }
    if (done != static_cast<ssize_t>(length)) ++shared.errors;
    if (random() % 64 == 0 && ::fsync(file.get()) != 0) ++shared.errors;
  }
}

void RunApplication(const std::string& path, uint64_t number, Shared& shared) {
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&, i] { UsePart(path, number * kThreads + i, shared); });
  }
  for (std::thread& thread : threads) thread.join();
}

[[noreturn]] void RunController(const Mount& mount, const std::string& directory, bool adopt,
                                Shared& shared) {
  SystemRuntime runtime;
  FakeVolumes volumes(directory, shared.io);
  volumes.Add(kVolume, "alpha", kApplications * kThreads * kPartBytes);
  // Long enough that a kill meets requests in flight.
  volumes.DelayEachIo(absl::Microseconds(500));
  SessionOptions options;
  options.fd = mount.fd();
  options.init_request = mount.init_request();
  options.adopt = adopt;
  const auto session = Session::Start(volumes, runtime, options);
  if (!session.ok()) ::_exit(1);
  ++shared.sessions;
  shared.serving = ::getpid();
  while (true) ::pause();
}

class AdoptionTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!CanMount()) GTEST_SKIP() << "mounting needs root and /dev/fuse";
    scratch_ = std::make_unique<Scratch>();
    auto mount = Mount::Make({.path = scratch_->mount_point()});
    ASSERT_TRUE(mount.ok()) << mount.status();
    mount_ = *std::move(mount);
  }

  void TearDown() override {
    if (mount_ == nullptr) return;
    EXPECT_TRUE(mount_->TakeDown(Unmount::kLazy).ok());
    // With the last descriptor the applications' requests end, however badly the test went.
    if (controller_ > 0) Kill(controller_);
    mount_.reset();
    for (const pid_t application : applications_) Kill(application);
    scratch_.reset();
  }

  void StartController() {
    controller_ = Spawn([this] { RunController(*mount_, scratch_->volumes(), adopt_, *shared_); });
    adopt_ = true;
  }

  void StartApplications() {
    for (int i = 0; i < kApplications; ++i) {
      applications_.push_back(Spawn([this, i] {
        // Its own requests would never end if it kept the other end of them open itself.
        ::close(mount_->fd());
        RunApplication(mount_->path() + "/alpha", i, *shared_);
      }));
    }
  }

  // The exit status of the killed child.
  static int Kill(pid_t child) {
    ::kill(child, SIGKILL);
    int status = -1;
    ::waitpid(child, &status, 0);
    return status;
  }

  // Until the controller that was started last serves.
  void WaitForSession() const {
    while (shared_->serving != controller_) ::usleep(500);
  }

  // Requests that were being executed when the controller died.
  uint64_t TakeInFlight() {
    return shared_->io.begun.exchange(0) - shared_->io.finished.exchange(0);
  }

  void StopApplications() {
    shared_->stop = true;
    for (const pid_t application : std::exchange(applications_, {})) {
      int status = -1;
      ::waitpid(application, &status, 0);
      EXPECT_EQ(status, 0);
    }
  }

  std::unique_ptr<Scratch> scratch_;
  std::unique_ptr<Mount> mount_;
  SharedMemory shared_;
  bool adopt_ = false;
  pid_t controller_ = 0;
  std::vector<pid_t> applications_;
};

TEST_F(AdoptionTest, ApplicationsDoNotNoticeThatControllersAreKilled) {
  std::mt19937_64 random(1);
  StartController();
  StartApplications();
  uint64_t in_flight = 0;
  for (int i = 0; i < kKills; ++i) {
    // Every other one so early that it may not yet serve.
    if (i % 2 == 0) WaitForSession();
    ::usleep(static_cast<useconds_t>(random() % 20'000));
    Kill(controller_);
    in_flight += TakeInFlight();
    StartController();
  }
  StopApplications();
  EXPECT_EQ(shared_->errors, 0u);
  EXPECT_EQ(shared_->mismatches, 0u);
  EXPECT_GT(in_flight, 0u) << "no kill met a request: the test showed nothing";
  EXPECT_GE(shared_->sessions, kKills / 2);
}

// Killed before it has answered FUSE_INIT or anything else.
TEST_F(AdoptionTest, TheFirstControllerMayDieBeforeItServed) {
  StartApplications();
  ::usleep(20'000);
  adopt_ = true;
  StartController();
  while (shared_->operations < 100) ::usleep(1000);
  StopApplications();
  EXPECT_EQ(shared_->errors, 0u);
  EXPECT_EQ(shared_->mismatches, 0u);
}

}  // namespace
}  // namespace baton::fs
