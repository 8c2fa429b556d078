// Applications get signals while their requests wait for somebody who serves. They are processes of
// their own, which have nothing of this one's but the way to the mount.
#include "fs/interrupts.h"

#include <fcntl.h>
#include <linux/aio_abi.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <thread>
#include <vector>

#include "fs/asker.h"
#include "fs/protocol.h"
#include "tests/base/testing.h"
#include "tests/fs/mounted_test.h"

namespace baton::fs {
namespace {

constexpr size_t kBlock = 4096;
constexpr int kMany = 40;  // more than there are workers

// Of the applications: 0 is what they end with when all went as it should.
constexpr int kNoFile = 2;
constexpr int kFailed = 3;

int WriteBlock(int file, uint64_t block, char content) {
  const std::string data(kBlock, content);
  const ssize_t done = ::pwrite(file, data.data(), data.size(), static_cast<off_t>(block * kBlock));
  return done == static_cast<ssize_t>(kBlock) ? 0 : kFailed;
}

void RingEvery(absl::Duration period) {
  struct sigaction action = {};
  action.sa_handler = [](int) {};  // without SA_RESTART
  ::sigaction(SIGALRM, &action, nullptr);
  itimerval timer = {};
  timer.it_interval = timer.it_value = absl::ToTimeval(period);
  ::setitimer(ITIMER_REAL, &timer, nullptr);
}

// Writes `count` blocks side by side without waiting for them.
int SubmitBlocks(int file, uint64_t first, int count, char content) {
  static std::string data;
  data.assign(kBlock, content);
  aio_context_t context = 0;
  if (::syscall(SYS_io_setup, count, &context) != 0) return kFailed;
  for (int i = 0; i < count; ++i) {
    iocb request = {};
    request.aio_lio_opcode = IOCB_CMD_PWRITE;
    request.aio_fildes = static_cast<uint32_t>(file);
    request.aio_buf = reinterpret_cast<uint64_t>(data.data());
    request.aio_nbytes = kBlock;
    request.aio_offset = static_cast<int64_t>((first + static_cast<uint64_t>(i)) * kBlock);
    iocb* requests[] = {&request};
    if (::syscall(SYS_io_submit, context, 1, requests) != 1) return kFailed;
  }
  return 0;
}

class InterruptsTest : public MountedTest {
 protected:
  void TearDown() override {
    for (const pid_t application : std::exchange(applications_, {})) ::kill(application, SIGKILL);
    if (volumes_ != nullptr) volumes_->SetOutage(false);
    MountedTest::TearDown();
  }

  // `body` gets the open volume and gives the exit status.
  template <typename Body>
  pid_t StartApplication(Body body) {
    const std::string path = Path();
    const pid_t child = ::fork();
    if (child == 0) {
      ::close_range(3, ~0u, 0);
      const int file = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
      ::_exit(file < 0 ? kNoFile : body(file));
    }
    applications_.push_back(child);
    return child;
  }

  // Waits until they all wait for their answers.
  void AwaitStuck(int writers) {
    const auto workers = static_cast<uint64_t>(std::min(writers, kDefaultWorkers));
    while (counters_.begun < workers) ::usleep(1000);
    ::usleep(500'000);  // the others are looked at in their turn
  }

  // The status with which each has ended; -1 for one that has not after a second.
  std::vector<int> Ends() {
    std::vector<int> ends;
    const absl::Duration deadline = runtime_.BootTime() + absl::Seconds(1);
    for (const pid_t application : applications_) {
      int status = -1;
      while (::waitpid(application, &status, WNOHANG) == 0 && runtime_.BootTime() < deadline) {
        ::usleep(1000);
      }
      ends.push_back(status);
    }
    if (!ends.empty() && std::count(ends.begin(), ends.end(), -1) == 0) applications_.clear();
    return ends;
  }

  void KillAll(int signal = SIGKILL) {
    for (const pid_t application : applications_) ::kill(application, signal);
  }

  std::vector<pid_t> applications_;
};

std::vector<int> All(size_t count, int status) { return std::vector<int>(count, status); }

TEST_F(InterruptsTest, WritersThatAreKilledAreGoneAndTheirWritesNeverHappen) {
  const UniqueFd file = Open(O_RDWR);
  volumes_->SetOutage(true);
  for (uint64_t i = 0; i < kMany; ++i) {
    StartApplication([i](int volume) { return WriteBlock(volume, i, 'o'); });
  }
  AwaitStuck(kMany);
  KillAll();
  EXPECT_EQ(Ends(), All(kMany, SIGKILL));
  volumes_->SetOutage(false);
  WriteAt(file.get(), 0, "new");
  ::usleep(50'000);
  EXPECT_EQ(counters_.writes, 1u);
  EXPECT_EQ(ReadAt(file.get(), 0, kMany * kBlock), "new" + std::string(kMany * kBlock - 3, '\0'));
}

TEST_F(InterruptsTest, OneOfManyIsCalledOffAndTheOthersGoOn) {
  const UniqueFd file = Open(O_RDWR);
  volumes_->SetOutage(true);
  for (uint64_t i = 0; i < kMany; ++i) {
    StartApplication([i](int volume) { return WriteBlock(volume, i, 'x'); });
  }
  AwaitStuck(kMany);
  std::vector<pid_t> living;
  for (size_t i = 0; i < applications_.size(); ++i) {
    if (i % 3 != 0) living.push_back(applications_[i]);
  }
  std::vector<pid_t> killed;
  for (size_t i = 0; i < applications_.size(); i += 3) killed.push_back(applications_[i]);
  applications_ = killed;
  KillAll();
  EXPECT_EQ(Ends(), All(killed.size(), SIGKILL));
  volumes_->SetOutage(false);
  applications_ = living;
  EXPECT_EQ(Ends(), All(living.size(), 0));
  for (uint64_t i = 0; i < kMany; ++i) {
    EXPECT_EQ(ReadAt(file.get(), i * kBlock, 1), std::string(1, i % 3 == 0 ? '\0' : 'x')) << i;
  }
}

// Before it is gone it closes what it has open, and waits for the answer to that whatever happens.
TEST_F(InterruptsTest, AKilledProcessIsGoneAlthoughOthersKeepAllWorkers) {
  for (uint64_t i = 0; i < kMany; ++i) {
    StartApplication([i](int volume) {
      ::kill(::getpid(), SIGSTOP);
      return WriteBlock(volume, i, 'x');
    });
    int status = 0;
    ASSERT_EQ(::waitpid(applications_.back(), &status, WUNTRACED), applications_.back());
  }
  volumes_->SetOutage(true);
  KillAll(SIGCONT);
  AwaitStuck(kMany);
  const std::vector<pid_t> living(applications_.begin() + kDefaultWorkers, applications_.end());
  applications_.resize(kDefaultWorkers);
  KillAll();
  EXPECT_EQ(Ends(), All(kDefaultWorkers, SIGKILL));
  volumes_->SetOutage(false);
  applications_ = living;
  EXPECT_EQ(Ends(), All(living.size(), 0));
}

TEST_F(InterruptsTest, SignalsThatAreHandledAreNoErrors) {
  const UniqueFd file = Open(O_RDWR);
  volumes_->SetOutage(true);
  for (uint64_t i = 0; i < kMany; ++i) {
    StartApplication([i](int volume) {
      RingEvery(absl::Milliseconds(20));
      return WriteBlock(volume, i, 'x') + ::fsync(volume);
    });
  }
  AwaitStuck(kMany);
  ::usleep(300'000);
  volumes_->SetOutage(false);
  EXPECT_EQ(Ends(), All(kMany, 0));
  EXPECT_EQ(ReadAt(file.get(), 0, kMany * kBlock), std::string(kMany * kBlock, 'x'));
}

// The kernel tells of the first signal alone.
TEST_F(InterruptsTest, AKillAfterAnotherSignalIsNoticed) {
  const UniqueFd file = Open(O_RDWR);
  volumes_->SetOutage(true);
  for (uint64_t i = 0; i < kMany; ++i) {
    StartApplication([i](int volume) {
      RingEvery(absl::Milliseconds(20));
      return WriteBlock(volume, i, 'x');
    });
  }
  AwaitStuck(kMany);
  ::usleep(300'000);
  KillAll();
  EXPECT_EQ(Ends(), All(kMany, SIGKILL));
}

TEST_F(InterruptsTest, ASignalThatDumpsCoreKillsToo) {
  const UniqueFd file = Open(O_RDWR);
  volumes_->SetOutage(true);
  StartApplication([](int volume) { return WriteBlock(volume, 0, 'x'); });
  AwaitStuck(1);
  KillAll(SIGQUIT);
  const std::vector<int> ends = Ends();
  EXPECT_EQ(WTERMSIG(ends.front()), SIGQUIT) << ends.front();
}

TEST_F(InterruptsTest, AllKindsOfRequestsAreCalledOff) {
  const UniqueFd file = Open(O_RDWR);
  volumes_->SetOutage(true);
  StartApplication([](int volume) { return static_cast<int>(::pread(volume, &volume, 1, 0)); });
  StartApplication([](int volume) { return ::fsync(volume); });
  StartApplication([](int volume) {
    return ::fallocate(volume, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, kBlock);
  });
  ::usleep(200'000);
  KillAll();
  EXPECT_EQ(Ends(), All(3, SIGKILL));
  volumes_->SetOutage(false);
  ::usleep(50'000);
  EXPECT_EQ(counters_.discards, 0u);
}

TEST_F(InterruptsTest, AnOpenThatWaitsIsCalledOff) {
  volumes_->SetOutage(true);
  StartApplication([](int) { return 0; });
  ::usleep(200'000);
  KillAll();
  EXPECT_EQ(Ends(), All(1, SIGKILL));
  EXPECT_EQ(counters_.open_handles, 0);
}

// For these nobody waits in the kernel, which therefore tells of no signal.
TEST_F(InterruptsTest, WhatAKilledProcessHasSubmittedIsCalledOff) {
  const UniqueFd file = Open(O_RDWR);
  volumes_->SetOutage(true);
  for (uint64_t i = 0; i < 2; ++i) {
    StartApplication([i](int volume) {
      if (SubmitBlocks(volume, i * kMany, kMany, 'o') == 0) ::pause();
      return kFailed;
    });
  }
  // By a thread that is not the first one, and vanishes before the process does.
  StartApplication([](int volume) {
    std::thread submitter([volume] {
      if (SubmitBlocks(volume, 2 * kMany, 4, 'o') == 0) ::pause();
    });
    submitter.join();
    return kFailed;
  });
  AwaitStuck(kMany);
  KillAll();
  EXPECT_EQ(Ends(), All(3, SIGKILL));
  volumes_->SetOutage(false);
  ::usleep(50'000);
  EXPECT_EQ(counters_.writes, 0u);
}

TEST_F(InterruptsTest, WhatAProcessHasSubmittedThatEndsByItselfTakesEffect) {
  const UniqueFd file = Open(O_RDWR);
  volumes_->SetOutage(true);
  StartApplication([](int volume) { return SubmitBlocks(volume, 0, kMany, 'x'); });
  AwaitStuck(kMany);
  ::usleep(300'000);
  volumes_->SetOutage(false);
  EXPECT_EQ(Ends(), All(1, 0));
  EXPECT_EQ(ReadAt(file.get(), 0, kMany * kBlock), std::string(kMany * kBlock, 'x'));
}

// It was acknowledged when the memory was written to.
TEST_F(InterruptsTest, WhatWasWrittenToAMemoryMapIsNeverCalledOff) {
  const UniqueFd file = Open(O_RDWR);
  StartApplication([this](int volume) {
    void* const memory = ::mmap(nullptr, kBlock, PROT_READ | PROT_WRITE, MAP_SHARED, volume, 0);
    if (memory == MAP_FAILED) return kFailed;
    std::memset(memory, 'm', kBlock);
    ::kill(::getpid(), SIGSTOP);
    return ::msync(memory, kBlock, MS_SYNC);
  });
  int status = 0;
  ASSERT_EQ(::waitpid(applications_.front(), &status, WUNTRACED), applications_.front());
  ASSERT_TRUE(WIFSTOPPED(status)) << status;
  volumes_->SetOutage(true);
  KillAll(SIGCONT);
  ::usleep(200'000);
  KillAll();
  ::usleep(400'000);
  volumes_->SetOutage(false);
  EXPECT_EQ(Ends(), All(1, SIGKILL));
  EXPECT_EQ(ReadAt(file.get(), 0, kBlock), std::string(kBlock, 'm'));
}

TEST_F(InterruptsTest, WhatWasReadAndNotBegunIsServedInFullAfterwards) {
  const UniqueFd file = Open(O_RDWR);
  volumes_->SetOutage(true);
  constexpr uint64_t kLong = 128 << 10;
  std::vector<std::thread> writers;
  for (uint64_t i = 0; i < 100; ++i) {
    writers.emplace_back([&, i] { WriteAt(file.get(), i * kLong, Pattern(i, kLong - i)); });
  }
  AwaitStuck(100);
  volumes_->SetOutage(false);
  for (std::thread& writer : writers) writer.join();
  for (uint64_t i = 0; i < 100; ++i) {
    EXPECT_TRUE(ReadAt(file.get(), i * kLong, kLong - i) == Pattern(i, kLong - i)) << i;
  }
  EXPECT_EQ(counters_.unaligned_buffers, 0u);
}

TEST_F(InterruptsTest, WhatWasReadAndNotBegunIsLeftToTheNextSession) {
  const UniqueFd file = Open(O_RDWR);
  volumes_->SetOutage(true);
  std::vector<std::thread> writers;
  for (uint64_t i = 0; i < kMany; ++i) {
    writers.emplace_back([&, i] { WriteAt(file.get(), i * kBlock, Pattern(i, kBlock)); });
  }
  AwaitStuck(kMany);
  std::thread stop([&] { session_->Stop(); });
  ::usleep(50'000);
  // What waits with a worker is left, too.
  volumes_->FailWith(absl::AbortedError("this process ends"));
  stop.join();
  EXPECT_EQ(counters_.writes, 0u);
  EXPECT_EQ(counters_.begun, static_cast<uint64_t>(kDefaultWorkers)) << "of the backlog: none";
  volumes_->FailWith(absl::OkStatus());
  volumes_->SetOutage(false);
  Serve(/*adopt=*/true);
  for (std::thread& writer : writers) writer.join();
  for (uint64_t i = 0; i < kMany; ++i) {
    EXPECT_TRUE(ReadAt(file.get(), i * kBlock, kBlock) == Pattern(i, kBlock)) << i;
  }
}

// Those come with another number.
TEST_F(InterruptsTest, WhatTheNextSessionFindsIsCalledOffToo) {
  const UniqueFd file = Open(O_RDWR);
  volumes_->SetOutage(true);
  for (uint64_t i = 0; i < kMany; ++i) {
    StartApplication([i](int volume) { return WriteBlock(volume, i, 'x'); });
  }
  AwaitStuck(kMany);
  volumes_->FailWith(absl::AbortedError("this process ends"));
  session_.reset();
  volumes_->FailWith(absl::OkStatus());
  SessionOptions options = Options(/*adopt=*/true);
  options.open_later = true;  // that waits, too
  session_ = Must(Session::Start(*volumes_, runtime_, options));
  ::usleep(300'000);
  KillAll();
  EXPECT_EQ(Ends(), All(kMany, SIGKILL));
  volumes_->SetOutage(false);
  ::usleep(50'000);
  EXPECT_EQ(counters_.writes, 0u);
}

// What has begun is not called off: as with a disk.
TEST_F(InterruptsTest, ARequestThatDoesNotWaitForOthersIsFinished) {
  const UniqueFd file = Open(O_RDWR);
  volumes_->DelayEachIo(absl::Milliseconds(300));
  StartApplication([](int volume) { return WriteBlock(volume, 0, 'x'); });
  while (counters_.begun == 0) ::usleep(1000);
  KillAll();
  EXPECT_EQ(Ends(), All(1, SIGKILL));
  EXPECT_EQ(counters_.finished, 1u);
  EXPECT_EQ(ReadAt(file.get(), 0, 1), "x");
}

// Without a kernel: what a thread has taken up, and what waits without one.
class TakenTest : public testing::Test {
 protected:
  static std::string RequestOf(uint64_t unique) {
    fuse_in_header header = {};
    header.opcode = FUSE_READ;
    header.unique = unique;
    header.pid = static_cast<uint32_t>(::gettid());
    return std::string(reinterpret_cast<const char*>(&header), sizeof(header));
  }
  static Bytes BytesOf(const std::string& text) {
    return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
  }

  SystemRuntime runtime_;
  IoCounters counters_;
  FakeVolumes volumes_{"", counters_};
  Backlog backlog_{runtime_, 1};
  Interrupts interrupts_{runtime_, volumes_, backlog_, -1, 2};
};

TEST_F(TakenTest, ASignalIsKnownToWhoeverServes) {
  ServedRequest& request = interrupts_.request(1);
  EXPECT_FALSE(interrupts_.Take(8)) << "read, and not taken up yet";
  request.Begin(BytesOf(RequestOf(kUniqueResent | 8)), /*interrupted=*/false);
  EXPECT_FALSE(request.interrupted());
  EXPECT_TRUE(interrupts_.Take(8));
  EXPECT_TRUE(request.interrupted());
  EXPECT_FALSE(request.killed());
  request.Begin(BytesOf(RequestOf(10)), /*interrupted=*/false);
  EXPECT_FALSE(request.interrupted()) << "of the one before";
  EXPECT_FALSE(interrupts_.Take(8));
  request.End();
  EXPECT_FALSE(interrupts_.Take(10));
  request.Begin(BytesOf(RequestOf(12)), /*interrupted=*/true);
  EXPECT_TRUE(request.interrupted());
}

TEST_F(TakenTest, WhoeverParksRequestsIsAsked) {
  std::vector<uint64_t> asked;
  interrupts_.on_parked = [&](uint64_t unique) {
    asked.push_back(unique);
    return unique == 8;
  };
  interrupts_.request(0).Begin(BytesOf(RequestOf(4)), /*interrupted=*/false);
  backlog_.Admit(BytesOf(RequestOf(4)));
  backlog_.Admit(BytesOf(RequestOf(6)));
  EXPECT_TRUE(interrupts_.Take(4));
  EXPECT_TRUE(interrupts_.Take(6));
  EXPECT_EQ(asked, std::vector<uint64_t>{4}) << "the worker may have parked it by now";
  EXPECT_TRUE(interrupts_.Take(8));
  EXPECT_FALSE(interrupts_.Take(10));
  EXPECT_EQ(asked, (std::vector<uint64_t>{4, 8, 10}));
}

TEST_F(TakenTest, AChangeThatAnEarlierProcessMayHaveSentIsInDoubt) {
  ServedRequest& request = interrupts_.request(0);
  std::string write = RequestOf(kUniqueResent | 8);
  reinterpret_cast<fuse_in_header*>(write.data())->opcode = FUSE_WRITE;
  write.resize(kWriteHeaderBytes);
  const absl::Duration before = runtime_.BootTime();
  interrupts_.Begin();  // whoever served before sends nothing any more
  request.Begin(BytesOf(write), /*interrupted=*/false);
  EXPECT_GE(request.last_unanswered(), before);
  request.Begin(BytesOf(RequestOf(kUniqueResent | 10)), /*interrupted=*/false);
  EXPECT_EQ(request.last_unanswered(), -absl::InfiniteDuration()) << "it changes nothing";
}

TEST(AskerTest, OneWhoLivesIsNotBeingKilled) {
  Asker self{.task = static_cast<uint32_t>(::gettid())};
  EXPECT_FALSE(IsBeingKilled(self));
  EXPECT_EQ(self.process, static_cast<uint32_t>(::getpid()));
  Asker nobody;
  EXPECT_FALSE(IsBeingKilled(nobody));
  Asker gone{.task = 0x7ffffff0};
  EXPECT_FALSE(IsBeingKilled(gone)) << "not known";
}

// Blocked, handled, and ignored signals end nobody.
TEST(AskerTest, APendingSignalThatEndsNobodyIsNone) {
  sigset_t all;
  sigset_t before;
  ::sigemptyset(&all);
  ::sigaddset(&all, SIGQUIT);
  ::pthread_sigmask(SIG_BLOCK, &all, &before);
  ::pthread_kill(::pthread_self(), SIGQUIT);
  Asker self{.task = static_cast<uint32_t>(::gettid())};
  EXPECT_FALSE(IsBeingKilled(self));
  int taken = 0;
  ::sigwait(&all, &taken);
  EXPECT_EQ(taken, SIGQUIT);
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

}  // namespace
}  // namespace baton::fs
