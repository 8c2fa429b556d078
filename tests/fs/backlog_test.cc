// Who serves what was read, without a kernel.
#include "fs/backlog.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "engine/base/system_runtime.h"
#include "fs/mount_settings.h"
#include "fs/protocol.h"

namespace baton::fs {
namespace {

std::string RequestOf(uint64_t unique, size_t length, uint32_t opcode = FUSE_READ) {
  fuse_in_header header = {};
  header.len = static_cast<uint32_t>(length);
  header.opcode = opcode;
  header.unique = unique;
  header.pid = 1;
  std::string bytes(length, static_cast<char>(unique));
  std::memcpy(bytes.data(), &header, sizeof(header));
  return bytes;
}

class BacklogTest : public testing::Test {
 protected:
  static constexpr size_t kLength = 100;

  bool Admit(uint64_t unique, size_t length = kLength, uint32_t opcode = FUSE_READ) {
    const std::string request = RequestOf(unique, length, opcode);
    return backlog_.Admit({reinterpret_cast<const std::byte*>(request.data()), request.size()}) ==
           Backlog::Admitted::kServe;
  }
  // The number of the next one; 0: none.
  uint64_t Next() {
    const Backlog::Taken taken = backlog_.Next({room_.data(), room_.size()});
    const size_t length = taken.length;
    interrupted_ = taken.interrupted;
    if (length == 0) return 0;
    uint64_t unique = 0;
    std::memcpy(&unique, room_.data() + offsetof(fuse_in_header, unique), sizeof(unique));
    const std::string expected = RequestOf(unique, length);
    EXPECT_EQ(std::memcmp(room_.data(), expected.data(), length), 0);
    return unique;
  }

  SystemRuntime runtime_;
  Backlog backlog_{runtime_, 2};
  std::vector<std::byte> room_ = std::vector<std::byte>(limits::kMaxRequestBytes + kPageBytes);
  bool interrupted_ = false;
};

TEST_F(BacklogTest, AsManyAreServedAsMayBeAndTheOthersInTheirOrder) {
  EXPECT_TRUE(Admit(2));
  EXPECT_TRUE(Admit(4));
  EXPECT_FALSE(Admit(6));
  EXPECT_FALSE(Admit(8, 300));
  EXPECT_EQ(Next(), 6u);
  EXPECT_EQ(Next(), 8u);
  EXPECT_EQ(Next(), 0u);
  EXPECT_TRUE(Admit(10)) << "one has nothing to do";
  EXPECT_FALSE(Admit(12));
}

TEST_F(BacklogTest, AFlushIsServedByWhoeverReadsIt) {
  Admit(2), Admit(4), Admit(6);
  EXPECT_TRUE(Admit(8, kLength, FUSE_FLUSH));
  EXPECT_EQ(Next(), 0u) << "the others still serve";
  EXPECT_FALSE(Admit(10));
  EXPECT_EQ(Next(), 6u);
  EXPECT_EQ(Next(), 10u);
}

TEST_F(BacklogTest, WhatIsTakenOutIsNotServed) {
  Admit(2), Admit(4), Admit(6), Admit(kUniqueResent | 8);
  EXPECT_EQ(backlog_.Remove(6), 6u);
  EXPECT_EQ(backlog_.Remove(8), kUniqueResent | 8) << "the kernel wants it as it was received";
  EXPECT_EQ(backlog_.Remove(8), 0u);
  EXPECT_TRUE(backlog_.empty());
  EXPECT_EQ(Next(), 0u);
}

TEST_F(BacklogTest, AnInterruptedOneStaysSo) {
  Admit(2), Admit(4), Admit(6), Admit(8);
  EXPECT_FALSE(backlog_.Interrupt(4)) << "it is being served";
  EXPECT_TRUE(backlog_.Interrupt(6));
  EXPECT_EQ(Next(), 6u);
  EXPECT_TRUE(interrupted_);
  EXPECT_EQ(Next(), 8u);
  EXPECT_FALSE(interrupted_);
}

TEST_F(BacklogTest, AllAreLookedAtInTurn) {
  for (uint64_t unique = 2; unique <= 14; unique += 2) Admit(unique);
  std::vector<uint64_t> seen;
  for (int i = 0; i < 3; ++i) {
    for (const Backlog::Kept& kept : backlog_.Some(2)) seen.push_back(kept.unique);
  }
  EXPECT_EQ(seen, (std::vector<uint64_t>{6, 8, 10, 12, 14}));
  EXPECT_EQ(backlog_.Some(2).front().unique, 6u);
}

TEST_F(BacklogTest, AfterTheEndNothingOfItIsServed) {
  Admit(2), Admit(4), Admit(6);
  backlog_.Close();
  EXPECT_EQ(Next(), 0u);
  EXPECT_TRUE(Admit(8)) << "what was read is finished";
  EXPECT_FALSE(Admit(10)) << "or left";
  EXPECT_TRUE(backlog_.empty());
}

// Threads that read and serve as workers do: each request is served once, and none is left.
TEST_F(BacklogTest, NothingIsForgottenHoweverThreadsMeet) {
  constexpr uint64_t kRequests = 20'000;
  std::atomic<uint64_t> read = 0;
  std::atomic<uint64_t> served = 0;
  std::atomic<uint64_t> sum = 0;
  std::atomic<int> at_one_time = 0;
  std::atomic<int> most = 0;
  const auto serve = [&](uint64_t unique) {
    most = std::max<int>(most, ++at_one_time);
    sum += unique;
    ++served;
    --at_one_time;
  };
  const auto work = [&] {
    std::vector<std::byte> room(limits::kMaxRequestBytes + kPageBytes);
    while (true) {
      const uint64_t number = ++read;
      if (number > kRequests) return;
      const std::string request = RequestOf(2 * number, kLength);
      const auto admitted =
          backlog_.Admit({reinterpret_cast<const std::byte*>(request.data()), request.size()});
      if (admitted == Backlog::Admitted::kKept) continue;
      if (admitted == Backlog::Admitted::kServe) serve(2 * number);
      while (backlog_.Next({room.data(), room.size()}).length > 0) {
        serve(reinterpret_cast<const fuse_in_header*>(room.data())->unique);
      }
    }
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < 5; ++i) threads.emplace_back(work);
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(served, kRequests);
  EXPECT_EQ(sum, kRequests * (kRequests + 1));
  EXPECT_LE(most, 2);
  EXPECT_TRUE(backlog_.empty());
}

TEST_F(BacklogTest, TheThreadMoreReadsWhileThereIsNeed) {
  backlog_.SetNeed(true);
  backlog_.AwaitNeed();
  backlog_.SetNeed(false);
  std::atomic<int> woken = 0;
  std::thread reader([&] {
    backlog_.AwaitNeed();
    ++woken;
    backlog_.AwaitNeed();
    ++woken;
  });
  ::usleep(20'000);
  EXPECT_EQ(woken, 0);
  backlog_.SetNeed(true);
  while (woken == 0) ::usleep(1000);
  backlog_.SetNeed(false);
  backlog_.Close();
  reader.join();
  EXPECT_EQ(woken, 2);
}

TEST_F(BacklogTest, WhoFindsNoRoomWaitsForIt) {
  Admit(2), Admit(4);
  constexpr size_t kMost = kMaxBacklogBytes / limits::kMaxRequestBytes;
  for (uint64_t i = 0; i < kMost; ++i) EXPECT_FALSE(Admit(6 + 2 * i, limits::kMaxRequestBytes));
  std::atomic<bool> done = false;
  std::thread reader([&] {
    EXPECT_FALSE(Admit(1'000'000));
    done = true;
  });
  ::usleep(50'000);
  EXPECT_FALSE(done);
  EXPECT_EQ(Next(), 6u);
  reader.join();
  std::thread stopped([&] { EXPECT_FALSE(Admit(1'000'002, limits::kMaxRequestBytes)); });
  backlog_.Close();
  stopped.join();
}

TEST_F(BacklogTest, SmallOnesAreBoundedByTheirNumber) {
  Admit(2), Admit(4);
  for (uint64_t i = 0; i < kMaxBacklogRequests; ++i) EXPECT_FALSE(Admit(6 + 2 * i));
  std::thread reader([&] { EXPECT_FALSE(Admit(1'000'000)); });
  ::usleep(20'000);
  EXPECT_EQ(Next(), 6u);
  reader.join();
}

}  // namespace
}  // namespace baton::fs
