#include "engine/base/side_by_side.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>

#include "engine/base/system_runtime.h"
#include "tests/base/forwarding_runtime.h"

namespace baton {
namespace {

using testing::Each;

// Starts only so many threads.
class FewThreads final : public ForwardingRuntime {
 public:
  explicit FewThreads(int threads) : left_(threads) {}
  std::unique_ptr<Thread> StartThread(const std::string& name,
                                      std::function<void()> body) override {
    if (left_-- == 0) throw std::system_error(EAGAIN, std::generic_category());
    return ForwardingRuntime::StartThread(name, std::move(body));
  }

 private:
  int left_;
};

TEST(SideBySide, DoesEachPartOnceAndWaitsForAll) {
  SystemRuntime runtime;
  std::array<int, 5> done = {};
  SideBySide(runtime, "part", done.size(), [&](size_t i) {
    if (i > 0) absl::SleepFor(absl::Milliseconds(20));
    ++done[i];
  });
  EXPECT_THAT(done, Each(1));
  SideBySide(runtime, "part", 0, [](size_t) { FAIL(); });
}

TEST(SideBySide, WhatNoThreadCanBeStartedForIsDoneHere) {
  FewThreads runtime(2);
  std::array<int, 5> done = {};
  SideBySide(runtime, "part", done.size(), [&](size_t i) { ++done[i]; });
  EXPECT_THAT(done, Each(1));
}

}  // namespace
}  // namespace baton
