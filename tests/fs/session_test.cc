// The life of sessions on one mount.
#include "fs/session.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cstring>
#include <thread>

#include "engine/base/status.h"
#include "fs/protocol.h"
#include "tests/fs/mounted_test.h"

namespace baton::fs {
namespace {

class SessionTest : public MountedTest {
 protected:
  // Waits for something that another thread or the kernel does soon.
  template <typename Condition>
  bool Eventually(Condition condition) {
    const absl::Duration end = runtime_.BootTime() + absl::Seconds(10);
    while (!condition() && runtime_.BootTime() < end) ::usleep(1000);
    return condition();
  }
};

TEST_F(SessionTest, RequestsWaitWhileNobodyServes) {
  const UniqueFd file = Open(O_RDWR);
  session_->Stop();
  std::atomic<bool> done = false;
  std::thread application([&] {
    WriteAt(file.get(), 0, "patient");
    done = true;
  });
  ::usleep(50'000);
  EXPECT_FALSE(done);
  Serve(/*adopt=*/true);
  application.join();
  EXPECT_EQ(ReadAt(file.get(), 0, 7), "patient");
}

TEST_F(SessionTest, StopFinishesWhatWasBegun) {
  volumes_->DelayEachIo(absl::Milliseconds(100));
  const UniqueFd file = Open(O_RDWR);
  std::thread application([&] { WriteAt(file.get(), 0, "begun"); });
  ASSERT_TRUE(Eventually([&] { return counters_.begun == 1; }));
  session_->Stop();
  EXPECT_EQ(counters_.finished, 1u);
  application.join();
  Serve(/*adopt=*/true);
  EXPECT_EQ(counters_.writes, 1u) << "what was answered is not delivered again";
}

// The kernel tells of it once, and no more when it has heard that nothing is called off.
TEST_F(SessionTest, ASignalInTheMiddleOfARequestChangesNothing) {
  struct sigaction action = {};
  action.sa_handler = [](int) {};
  ASSERT_EQ(::sigaction(SIGUSR1, &action, nullptr), 0);
  volumes_->DelayEachIo(absl::Milliseconds(50));
  const UniqueFd file = Open(O_RDWR);
  for (uint64_t i = 1; i <= 3; ++i) {
    std::thread application([&] { WriteAt(file.get(), i, "x"); });
    EXPECT_TRUE(Eventually([&] { return counters_.begun == i; }));
    ::pthread_kill(application.native_handle(), SIGUSR1);
    application.join();
  }
  EXPECT_EQ(counters_.writes, 3u);
  ::signal(SIGUSR1, SIG_DFL);
}

TEST_F(SessionTest, WhatItMayNotAnswerIsLeftToTheNextOne) {
  const UniqueFd file = Open(O_RDWR);
  volumes_->FailWith(absl::AbortedError("the lease is lost"));
  std::atomic<bool> done = false;
  std::thread application([&] {
    WriteAt(file.get(), 0, "left");
    done = true;
  });
  ASSERT_TRUE(Eventually([&] { return counters_.begun == 1; }));
  session_.reset();
  EXPECT_FALSE(done);
  volumes_->FailWith(absl::OkStatus());
  Serve(/*adopt=*/true);
  application.join();
  EXPECT_EQ(ReadAt(file.get(), 0, 4), "left");
}

TEST_F(SessionTest, TellsOfItsFirstAnswerOnce) {
  EXPECT_EQ(first_answers_, 0);
  const UniqueFd file = Open(O_RDWR);
  WriteAt(file.get(), 0, "x");
  EXPECT_EQ(first_answers_, 1);
}

TEST_F(SessionTest, TellsWhetherItsFirstRequestHadWaited) {
  const UniqueFd file = Open(O_RDWR);
  session_->Stop();
  const absl::Duration began = runtime_.BootTime();
  Serve(/*adopt=*/true);
  ::usleep(50'000);  // idle
  WriteAt(file.get(), 0, "later");
  ASSERT_TRUE(Eventually([&] { return first_answers_ == 2; }));
  ASSERT_TRUE(first_came_.has_value());
  EXPECT_GE(*first_came_ - began, absl::Milliseconds(50));

  session_->Stop();
  std::thread application([&] { WriteAt(file.get(), 0, "at once"); });
  ::usleep(50'000);
  Serve(/*adopt=*/true);
  application.join();
  ASSERT_TRUE(Eventually([&] { return first_answers_ == 3; }));
  EXPECT_FALSE(first_came_.has_value());
}

TEST_F(SessionTest, PreparesItselfWhileAnotherOneServes) {
  const UniqueFd file = Open(O_RDWR);
  SessionOptions options = Options(/*adopt=*/true);
  options.init_answer = session_->init_answer();
  auto next = Session::Make(*volumes_, runtime_, options);
  ASSERT_TRUE(next.ok()) << next.status();
  WriteAt(file.get(), 0, "served by the one before");
  session_.reset();
  ASSERT_TRUE((*next)->Serve().ok());
  EXPECT_EQ(ReadAt(file.get(), 0, 6), "served");
  session_ = *std::move(next);
}

TEST_F(SessionTest, RefusesWhatTheKernelWasToldOtherwise) {
  SessionOptions options = Options(/*adopt=*/true);
  options.init_answer = session_->init_answer();
  options.init_answer.back() ^= 1;
  const absl::Status refused = Session::Make(*volumes_, runtime_, options).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(refused)) << refused;
}

// An earlier version did without locks: they stay the node's own, as long as the mount lives.
TEST_F(SessionTest, GoesOnWithAMountThatWasBegunByAnEarlierVersion) {
  const UniqueFd file = Open(O_RDWR);
  SessionOptions options = Options(/*adopt=*/true);
  options.init_answer = session_->init_answer();
  fuse_init_out agreed = {};
  char* const body = options.init_answer.data() + sizeof(fuse_out_header);
  std::memcpy(&agreed, body, sizeof(agreed));
  ASSERT_NE(agreed.flags & (FUSE_POSIX_LOCKS | FUSE_FLOCK_LOCKS), 0u);
  agreed.flags &= ~(FUSE_POSIX_LOCKS | FUSE_FLOCK_LOCKS | FUSE_EXPORT_SUPPORT);
  std::memcpy(body, &agreed, sizeof(agreed));
  session_.reset();
  auto next = Session::Start(*volumes_, runtime_, options);
  ASSERT_TRUE(next.ok()) << next.status();
  session_ = *std::move(next);
  EXPECT_EQ(session_->init_answer(), options.init_answer) << "what the next one is told";
  WriteAt(file.get(), 0, "served");
  EXPECT_EQ(ReadAt(file.get(), 0, 6), "served");
}

TEST_F(SessionTest, RefusesADescriptorThatDoesNotBlock) {
  session_.reset();
  ASSERT_EQ(::fcntl(mount_->fd(), F_SETFL, O_RDWR | O_NONBLOCK), 0);
  SessionOptions options;
  options.fd = mount_->fd();
  options.init_request = mount_->init_request();
  options.adopt = true;
  EXPECT_TRUE(absl::IsInvalidArgument(Session::Start(*volumes_, runtime_, options).status()));
}

TEST_F(SessionTest, StopTwiceIsStopOnce) {
  session_->Stop();
  session_->Stop();
  EXPECT_EQ(disconnects_, 0) << "a stop is no disconnection";
}

TEST_F(SessionTest, ManySessionsServeOneOpenFile) {
  const UniqueFd file = Open(O_RDWR);
  for (int i = 0; i < 20; ++i) {
    session_->Stop();
    session_.reset();
    Serve(/*adopt=*/true);
    WriteAt(file.get(), i, "x");
  }
  EXPECT_EQ(ReadAt(file.get(), 0, 20), std::string(20, 'x'));
}

TEST_F(SessionTest, SaysWhenTheKernelEndsTheConnection) {
  ASSERT_EQ(::umount2(mount_->path().c_str(), 0), 0);
  EXPECT_TRUE(Eventually([&] { return disconnects_ == 1; }));
}

TEST_F(SessionTest, AVolumeIsHeldWhileItIsOpen) {
  EXPECT_EQ(counters_.open_handles, 0);
  UniqueFd first = Open(O_RDWR);
  UniqueFd second = Open(O_RDONLY);
  EXPECT_EQ(counters_.open_handles, 1);
  first = UniqueFd();
  WriteAt(Open(O_RDWR).get(), 0, "x");
  EXPECT_EQ(counters_.open_handles, 1);
  second = UniqueFd();
  EXPECT_TRUE(Eventually([&] { return counters_.open_handles == 0; }));
}

TEST_F(SessionTest, ASuccessorOpensWhatItsPredecessorHadOpen) {
  UniqueFd file = Open(O_RDWR);
  session_.reset();
  EXPECT_EQ(counters_.open_handles, 0);
  Serve(/*adopt=*/true);
  EXPECT_EQ(counters_.open_handles, 1) << "before anybody uses it: nobody may delete it";
  WriteAt(file.get(), 0, "x");
  EXPECT_EQ(counters_.open_handles, 1);
  file = UniqueFd();
  EXPECT_TRUE(Eventually([&] { return counters_.open_handles == 0; }));
}

TEST_F(SessionTest, RefusesToStartTwiceOnAFreshMount) {
  SessionOptions options;
  options.fd = mount_->fd();
  options.init_request = mount_->init_request();
  session_.reset();
  EXPECT_FALSE(Session::Start(*volumes_, runtime_, options).ok()) << "INIT is answered already";
}

TEST_F(SessionTest, RefusesADescriptorThatIsNone) {
  SessionOptions options;
  options.init_request = mount_->init_request();
  EXPECT_FALSE(Session::Start(*volumes_, runtime_, options).ok());
}

TEST_F(SessionTest, RefusesAFirstRequestThatIsGarbled) {
  SessionOptions options;
  options.fd = mount_->fd();
  options.adopt = true;
  for (const std::string& bytes : {std::string(), std::string(104, '\0'), std::string(7, 'x')}) {
    options.init_request = bytes;
    EXPECT_FALSE(Session::Start(*volumes_, runtime_, options).ok()) << bytes.size();
  }
}

TEST_F(SessionTest, RefusesANumberOfWorkersThatIsNone) {
  SessionOptions options;
  options.fd = mount_->fd();
  options.init_request = mount_->init_request();
  options.adopt = true;
  options.workers = 0;
  EXPECT_TRUE(absl::IsInvalidArgument(Session::Start(*volumes_, runtime_, options).status()));
}

}  // namespace
}  // namespace baton::fs
