#include "engine/clone/latency_pacer.h"

#include <gtest/gtest.h>

#include <deque>

#include "engine/clone/copier.h"
#include "tests/clone/pool.h"

namespace baton {
namespace {

constexpr uint64_t kPacerSize = 64 * limits::kMiB;
constexpr absl::Duration kPacerTarget = absl::Milliseconds(5);

// A read takes the longer the more was copied shortly before: 4 ms at 4 MiB/s.
class LoadedStorage : public IoPlugin {
 public:
  LoadedStorage(sim::SimRuntime& runtime, const CopyBench& bench)
      : runtime_(runtime), bench_(bench) {}
  absl::Status Read(VolumeIo& next, uint64_t offset, MutableBytes out) override {
    constexpr absl::Duration kMemory = absl::Milliseconds(500);
    const absl::Duration now = runtime_.BootTime();
    copied_.emplace_back(now, bench_.run->copied().count() * bench_.geometry.extent_bytes);
    while (copied_.front().first < now - kMemory) copied_.pop_front();
    const double bytes = copied_.back().second - copied_.front().second;
    runtime_.SleepFor(absl::Milliseconds(2 * bytes / limits::kMiB));
    return next.Read(offset, out);
  }

 private:
  sim::SimRuntime& runtime_;
  const CopyBench& bench_;
  std::deque<std::pair<absl::Duration, double>> copied_;
};

class LatencyPacerTest : public testing::Test {
 protected:
  void Run(absl::Duration target, const std::function<void(CopyBench&)>& body) {
    pool_.runtime().Run([&] {
      CopyBench bench(pool_, kPacerSize);
      ASSERT_OK(bench.source->path.Write(0, Pattern(kPacerSize, 1)));
      bench.run->SetPhase(CloneRun::Phase::kActive);
      bench.source->path.Install(std::make_shared<LoadedStorage>(pool_.runtime(), bench));
      Copier copier(pool_.runtime(), 3, 4 * kBlock,
                    [this](const std::shared_ptr<CopyJob>&, const absl::Status& result) {
                      is_over_ = true;
                      EXPECT_OK(result);
                    });
      const auto job = std::make_shared<CopyJob>(7, bench.run, 0);
      copier.SetLatencyTarget(*job, target);
      copier.Add(job);
      body(bench);
      copier.Remove(job);
    });
  }
  // 100 reads a second; those that took longer than the target, in percent.
  double ReadFor(CopyBench& bench, absl::Duration duration) {
    std::vector<std::byte> block(kBlock);
    const absl::Duration end = pool_.runtime().BootTime() + duration;
    int slow = 0;
    int all = 0;
    while (pool_.runtime().BootTime() < end) {
      const absl::Duration begin = pool_.runtime().BootTime();
      EXPECT_OK(bench.source->path.Read(0, block));
      slow += pool_.runtime().BootTime() - begin > kPacerTarget ? 1 : 0;
      ++all;
      pool_.runtime().SleepFor(absl::Milliseconds(10));
    }
    return 100.0 * slow / all;
  }

  SimPool pool_;
  bool is_over_ = false;
};

TEST_F(LatencyPacerTest, KeepsTheTargetWhileHostsAreThereAndIsFastOnceTheyAreGone) {
  Run(kPacerTarget, [&](CopyBench& bench) {
    ReadFor(bench, absl::Seconds(13));  // what the first requests met is paid back
    const uint64_t before = bench.run->copied().count();
    EXPECT_LE(ReadFor(bench, absl::Seconds(10)), 1);
    EXPECT_GE((bench.run->copied().count() - before) * bench.geometry.extent_bytes,
              13 * limits::kMiB);
    EXPECT_TRUE(bench.run->pace_report().is_on);
    EXPECT_GT(bench.run->pace_report().host_p99_us, 1000u);
    EXPECT_GE(bench.run->pace_report().limit_bytes_per_second, limits::kMiB);
    ASSERT_FALSE(is_over_);
    pool_.runtime().SleepFor(absl::Seconds(4));
    EXPECT_TRUE(is_over_) << "without hosts it is as fast as without a target";
  });
}

TEST_F(LatencyPacerTest, WithoutATargetTheSameHostsWait) {
  Run(absl::ZeroDuration(), [&](CopyBench& bench) {
    EXPECT_GT(ReadFor(bench, absl::Milliseconds(500)), 10);
    EXPECT_FALSE(bench.run->pace_report().is_on);
  });
}

TEST_F(LatencyPacerTest, ATargetThatCannotBeReachedLeavesTheFloor) {
  Run(absl::Microseconds(100), [&](CopyBench& bench) {
    ReadFor(bench, absl::Seconds(2));
    const uint64_t before = bench.run->copied().count();
    ReadFor(bench, absl::Seconds(8));
    const double copied = (bench.run->copied().count() - before) * bench.geometry.extent_bytes;
    EXPECT_EQ(bench.run->pace_report().limit_bytes_per_second, limits::kCopyFloorBytesPerSecond);
    EXPECT_NEAR(copied, 8.0 * limits::kMiB, 1.0 * limits::kMiB);
  });
}

}  // namespace
}  // namespace baton
