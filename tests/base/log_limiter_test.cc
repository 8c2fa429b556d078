#include "engine/base/log_limiter.h"

#include <gtest/gtest.h>

#include "engine/base/system_runtime.h"

namespace baton {
namespace {

constexpr int kLines = 10;
constexpr absl::Duration kPeriod = absl::Seconds(10);

class ManualClock final : public Runtime {
 public:
  absl::Duration BootTime() const override { return now; }
  absl::Time WallTime() const override { return absl::UnixEpoch() + now; }
  std::unique_ptr<Thread> StartThread(const std::string&, std::function<void()>) override {
    return nullptr;
  }
  void Wait(absl::CondVar&, absl::Mutex&) override {}
  void WaitUntil(absl::CondVar&, absl::Mutex&, absl::Duration deadline) override { now = deadline; }

  absl::Duration now = absl::Seconds(100);
};

TEST(LogLimiterTest, LetsSomeLinesThroughAndCountsTheRest) {
  ManualClock clock;
  LogLimiter limiter(clock, kLines, kPeriod);
  for (int i = 0; i < kLines; ++i) EXPECT_EQ(limiter.Admit(), 0u);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(limiter.Admit(), std::nullopt);

  clock.now += kPeriod;
  EXPECT_EQ(limiter.Admit(), 3u) << "the first line of the next period says what is missing";
  EXPECT_EQ(limiter.Admit(), 0u);
}

}  // namespace
}  // namespace baton
