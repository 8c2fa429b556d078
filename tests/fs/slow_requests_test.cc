#include "fs/slow_requests.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace baton::fs {
namespace {

// All that it says follows from `number`.
SlowRequest RequestOf(uint64_t number) {
  SlowRequest request = {.io = {.kind = static_cast<IoKind>(number % kIoKinds),
                                .volume_id = number,
                                .offset = 3 * number,
                                .length_bytes = 5 * number},
                         .came = absl::Nanoseconds(7 * number),
                         .total = absl::Nanoseconds(11 * number)};
  for (size_t i = 0; i < kSpentKinds; ++i) request.spent[i] = absl::Nanoseconds(number + i);
  return request;
}

void ExpectWhole(const SlowRequest& request) {
  const SlowRequest expected = RequestOf(request.io.volume_id);
  EXPECT_EQ(request.io.kind, expected.io.kind);
  EXPECT_EQ(request.io.offset, expected.io.offset);
  EXPECT_EQ(request.io.length_bytes, expected.io.length_bytes);
  EXPECT_EQ(request.came, expected.came);
  EXPECT_EQ(request.total, expected.total);
  EXPECT_EQ(request.spent, expected.spent);
}

TEST(SlowRequestsTest, TheLastOnesAreKeptTheNewestFirst) {
  SlowRequests slow(absl::Milliseconds(100));
  EXPECT_TRUE(slow.Newest().empty());
  constexpr uint64_t kNoted = SlowRequests::kKept + 44;
  for (uint64_t number = 1; number <= kNoted; ++number) slow.Note(RequestOf(number));
  const std::vector<SlowRequest> newest = slow.Newest();
  ASSERT_EQ(newest.size(), SlowRequests::kKept);
  EXPECT_EQ(newest.front().io.volume_id, kNoted);
  EXPECT_EQ(newest.back().io.volume_id, 45u);
  for (const SlowRequest& request : newest) ExpectWhole(request);
  EXPECT_EQ(slow.noted(), kNoted);
}

TEST(SlowRequestsTest, WhatTakesAsLongAsTheLimitIsSlow) {
  const SlowRequests slow(absl::Milliseconds(100));
  EXPECT_TRUE(slow.IsSlow(absl::Milliseconds(100)));
  EXPECT_FALSE(slow.IsSlow(absl::Milliseconds(99)));
}

TEST(SlowRequestsTest, WhoLooksWhileOthersNoteSeesNoMixture) {
  SlowRequests slow(absl::Milliseconds(100));
  std::atomic<bool> ends = false;
  std::atomic<uint64_t> number = 0;
  std::vector<std::thread> writers;
  for (int i = 0; i < 3; ++i) {
    writers.emplace_back([&] {
      while (!ends) slow.Note(RequestOf(++number));
    });
  }
  for (int look = 0; look < 4000; ++look) {
    for (const SlowRequest& request : slow.Newest()) ExpectWhole(request);
  }
  ends = true;
  for (std::thread& writer : writers) writer.join();
  EXPECT_EQ(slow.noted(), number);
}

}  // namespace
}  // namespace baton::fs
