// Locks through a real mount, with a directory that plays the owner.
#include "fs/mount_locks.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/file.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "fs/lock_table.h"
#include "tests/fs/mounted_test.h"

namespace baton::fs {
namespace {

class MountLocksTest : public MountedTest {
 protected:
  static int Flock(const UniqueFd& file, int operation) {
    return ErrorOf(::flock(file.get(), operation));
  }
  // An open file description lock.
  static int Range(const UniqueFd& file, short kind, off_t first, off_t length, bool waits = false) {
    struct flock range = {};
    range.l_type = kind;
    range.l_whence = SEEK_SET;
    range.l_start = first;
    range.l_len = length;
    return ErrorOf(::fcntl(file.get(), waits ? F_OFD_SETLKW : F_OFD_SETLK, &range));
  }
  static FileLock Elsewhere(uint64_t first, uint64_t last) {
    return {.exclusive = true, .first = first, .last = last, .owner = 1, .handle = 1, .pid = 1};
  }
  template <typename Condition>
  bool Eventually(Condition condition) {
    const absl::Duration end = runtime_.BootTime() + absl::Seconds(10);
    while (!condition() && runtime_.BootTime() < end) ::usleep(1000);
    return condition();
  }
};

TEST_F(MountLocksTest, AnotherNodeIsInTheWay) {
  volumes_->HoldElsewhere({Elsewhere(10, 19)});
  const UniqueFd file = Open(O_RDWR);
  EXPECT_EQ(Range(file, F_WRLCK, 0, 11), EAGAIN);
  EXPECT_EQ(Range(file, F_RDLCK, 19, 1), EAGAIN);
  EXPECT_EQ(Range(file, F_WRLCK, 0, 10), 0);
  EXPECT_EQ(Flock(file, LOCK_EX | LOCK_NB), 0) << "another kind";
  struct flock range = {};
  range.l_type = F_WRLCK;
  range.l_start = 15;
  range.l_len = 1;
  ASSERT_EQ(::fcntl(file.get(), F_OFD_GETLK, &range), 0);
  EXPECT_EQ(range.l_type, F_WRLCK);
  EXPECT_EQ(range.l_start, 10);
  EXPECT_EQ(range.l_len, 10);
}

TEST_F(MountLocksTest, WhoWaitsForAnotherNodeGoesOnWhenItIsToldSo) {
  volumes_->HoldElsewhere({Elsewhere(0, 9)});
  const UniqueFd file = Open(O_RDWR);
  std::atomic<bool> done = false;
  std::thread program([&] {
    EXPECT_EQ(Range(file, F_WRLCK, 0, 1, /*waits=*/true), 0);
    done = true;
  });
  ::usleep(100'000);
  EXPECT_FALSE(done);
  volumes_->HoldElsewhere({});
  session_->RetryLocks(kVolume);
  program.join();
  EXPECT_EQ(volumes_->ToldLocks(kVolume).size(), 1u);
}

// More than there are workers.
TEST_F(MountLocksTest, WhoWaitsKeepsNobodyElseFromIo) {
  const UniqueFd holder = Open(O_RDWR);
  ASSERT_EQ(Flock(holder, LOCK_EX), 0);
  std::vector<std::thread> programs;
  std::atomic<int> granted = 0;
  for (int i = 0; i < kDefaultWorkers + 4; ++i) {
    programs.emplace_back([&] {
      const UniqueFd file = Open(O_RDWR);
      EXPECT_EQ(Flock(file, LOCK_EX), 0);
      ++granted;
      EXPECT_EQ(Flock(file, LOCK_UN), 0);
    });
  }
  ::usleep(100'000);
  WriteAt(holder.get(), 0, "served");
  EXPECT_EQ(ReadAt(holder.get(), 0, 6), "served");
  EXPECT_EQ(granted, 0);
  EXPECT_EQ(Flock(holder, LOCK_UN), 0);
  for (std::thread& program : programs) program.join();
  EXPECT_EQ(granted, kDefaultWorkers + 4);
}

TEST_F(MountLocksTest, ASuccessorGoesOnWithWhatIsHeldAndWithWhoWaits) {
  const UniqueFd one = Open(O_RDWR);
  const UniqueFd other = Open(O_RDWR);
  ASSERT_EQ(Flock(one, LOCK_EX), 0);
  std::thread program([&] { EXPECT_EQ(Flock(other, LOCK_EX), 0); });
  ::usleep(50'000);
  session_.reset();
  Serve(/*adopt=*/true);
  const UniqueFd third = Open(O_RDWR);
  EXPECT_EQ(Flock(third, LOCK_SH | LOCK_NB), EAGAIN);
  EXPECT_EQ(Flock(one, LOCK_UN), 0);
  program.join();
  EXPECT_EQ(Flock(third, LOCK_SH | LOCK_NB), EAGAIN);
}

// The end of a file is told once, and the process that was told may have ended at once.
TEST_F(MountLocksTest, WhatWasGotThroughAFileThatIsClosedIsOverForASuccessor) {
  const UniqueFd file = Open(O_RDWR);
  ASSERT_EQ(Range(file, F_WRLCK, 0, 10), 0);
  session_.reset();
  const auto table = LockTable::Map(UniqueFd(::dup(open_table_.get())));
  ASSERT_TRUE(table.ok()) << table.status();
  FileLocks held = (*table)->Load().at(kVolume);
  FileLock stale = held.front();
  stale.owner += 1;
  stale.handle += 1'000'000;
  stale.first = 100;
  stale.last = 109;
  held.push_back(stale);
  ASSERT_TRUE((*table)->Replace(kVolume, held));
  Serve(/*adopt=*/true);
  const UniqueFd other = Open(O_RDWR);
  EXPECT_EQ(Range(other, F_WRLCK, 100, 10), 0);
  EXPECT_EQ(Range(other, F_WRLCK, 0, 10), EAGAIN);
}

TEST_F(MountLocksTest, TwoWhoConvertDoNotWaitForEachOther) {
  const UniqueFd one = Open(O_RDWR);
  const UniqueFd other = Open(O_RDWR);
  ASSERT_EQ(Flock(one, LOCK_SH), 0);
  ASSERT_EQ(Flock(other, LOCK_SH), 0);
  EXPECT_EQ(Flock(one, LOCK_EX | LOCK_NB), EAGAIN);
  std::thread first([&] {
    EXPECT_EQ(Flock(one, LOCK_EX), 0);
    EXPECT_EQ(Flock(one, LOCK_UN), 0);
  });
  EXPECT_EQ(Flock(other, LOCK_EX), 0);
  EXPECT_EQ(Flock(other, LOCK_UN), 0);
  first.join();
}

TEST_F(MountLocksTest, WhoLosesALockIsTold) {
  const UniqueFd file = Open(O_RDWR);
  ASSERT_EQ(Flock(file, LOCK_EX), 0);
  session_.reset();
  volumes_->LoseAll();
  std::atomic<int> told = 0;
  SessionOptions options = Options(/*adopt=*/true);
  options.on_locks_lost = [&](const std::string& text) {
    EXPECT_THAT(text, testing::HasSubstr("was given to another node"));
    ++told;
  };
  auto session = Session::Start(*volumes_, runtime_, options);
  ASSERT_TRUE(session.ok()) << session.status();
  session_ = *std::move(session);
  EXPECT_TRUE(Eventually([&] { return told == 1; }));
}

TEST_F(MountLocksTest, WhileNobodyServesLocksAreGivenBackAndNotGranted) {
  const UniqueFd one = Open(O_RDWR);
  UniqueFd other = Open(O_RDWR);
  ASSERT_EQ(Flock(one, LOCK_EX), 0);
  ASSERT_EQ(Range(other, F_WRLCK, 0, 10), 0);
  volumes_->StopServing(true);
  const absl::Duration began = runtime_.BootTime();
  EXPECT_EQ(Flock(one, LOCK_UN), 0);
  EXPECT_LT(runtime_.BootTime() - began, absl::Seconds(3));
  other = UniqueFd();
  std::atomic<bool> done = false;
  std::thread program([&] {
    EXPECT_EQ(Flock(one, LOCK_EX | LOCK_NB), 0);
    done = true;
  });
  ::usleep(100'000);
  EXPECT_FALSE(done);
  volumes_->StopServing(false);
  program.join();
  EXPECT_TRUE(Eventually([&] { return volumes_->ToldLocks(kVolume).size() == 1; }))
      << "the lock of the file that was closed is known to be gone";
}

}  // namespace
}  // namespace baton::fs
