// Where the time of a request goes.
#include "engine/base/time_spent.h"

#include <gtest/gtest.h>

#include <thread>

#include "engine/base/host_request.h"
#include "tests/base/manual_clock.h"

namespace baton {
namespace {

class TestRequest final : public HostRequest {
 public:
  bool killed() const override { return false; }
  void NoteWait() override {}
  using HostRequest::BeginTime;
};

class TimeSpentTest : public testing::Test {
 protected:
  void Pass(int seconds) { clock_.now += absl::Seconds(seconds); }
  int SecondsOf(Spent spent) const {
    const auto times = request_.time_spent().Until(clock_.now);
    return static_cast<int>(absl::ToInt64Seconds(times[static_cast<size_t>(spent)]));
  }

  ManualClock clock_;
  TestRequest request_;
  const HostRequest::Scope scope_{request_};
};

TEST_F(TimeSpentTest, EachMomentGoesToWhatIsInnermost) {
  request_.BeginTime(clock_.now, absl::Seconds(7));
  Pass(1);
  {
    const HostRequest::Spending preserving(clock_, Spent::kPreserve);
    Pass(2);
    {
      const HostRequest::Spending waiting(clock_, Spent::kLock);
      Pass(4);
    }
    Pass(8);
  }
  Pass(16);
  EXPECT_EQ(SecondsOf(Spent::kQueued), 7);
  EXPECT_EQ(SecondsOf(Spent::kOther), 17);
  EXPECT_EQ(SecondsOf(Spent::kPreserve), 10);
  EXPECT_EQ(SecondsOf(Spent::kLock), 4);
  request_.BeginTime(clock_.now, absl::ZeroDuration());
  Pass(1);
  EXPECT_EQ(SecondsOf(Spent::kPreserve), 0) << "of the request before";
  EXPECT_EQ(SecondsOf(Spent::kOther), 1);
}

TEST_F(TimeSpentTest, WhatWaitsForStorageAloneLooksAtNoClock) {
  request_.BeginTime(clock_.now, absl::ZeroDuration());
  clock_.looks = 0;
  HostRequest::NoteStorage();
  Pass(3);
  HostRequest::NoteStorage();
  Pass(4);
  EXPECT_EQ(clock_.looks, 0);
  EXPECT_EQ(SecondsOf(Spent::kStorage), 7);
  EXPECT_EQ(SecondsOf(Spent::kOther), 0);
}

TEST_F(TimeSpentTest, StorageCountsAsWhatItIsUsedFor) {
  request_.BeginTime(clock_.now, absl::ZeroDuration());
  {
    const HostRequest::Spending logging(clock_, Spent::kLog);
    HostRequest::NoteStorage();
    Pass(3);
  }
  HostRequest::NoteStorage();
  Pass(1);
  {
    const HostRequest::Spending waiting(clock_, Spent::kLock);
    Pass(5);
  }
  Pass(2);
  EXPECT_EQ(SecondsOf(Spent::kLog), 3);
  EXPECT_EQ(SecondsOf(Spent::kStorage), 3);
  EXPECT_EQ(SecondsOf(Spent::kLock), 5);
}

TEST_F(TimeSpentTest, AThreadThatServesNobodyNotesNothing) {
  std::thread([this] {
    const HostRequest::Spending waiting(clock_, Spent::kLock);
    HostRequest::NoteStorage();
  }).join();
  EXPECT_EQ(request_.time_spent().now(), Spent::kOther);
  EXPECT_EQ(clock_.looks, 0);
}

}  // namespace
}  // namespace baton
