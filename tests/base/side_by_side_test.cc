#include "engine/base/side_by_side.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>

#include "engine/base/system_runtime.h"

namespace baton {
namespace {

using testing::Each;

// Starts only so many threads.
class FewThreads final : public Runtime {
 public:
  explicit FewThreads(int threads) : left_(threads) {}
  absl::Duration BootTime() const override { return system_.BootTime(); }
  absl::Time WallTime() const override { return system_.WallTime(); }
  std::unique_ptr<Thread> StartThread(const std::string& name,
                                      std::function<void()> body) override {
    if (left_-- == 0) throw std::system_error(EAGAIN, std::generic_category());
    return system_.StartThread(name, std::move(body));
  }
  void Wait(absl::CondVar& condition, absl::Mutex& mutex)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) override {
    system_.Wait(condition, mutex);
  }
  void WaitUntil(absl::CondVar& condition, absl::Mutex& mutex, absl::Duration deadline)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) override {
    system_.WaitUntil(condition, mutex, deadline);
  }

 private:
  SystemRuntime system_;
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
