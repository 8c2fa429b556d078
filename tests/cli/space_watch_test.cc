#include "cli/service/space_watch.h"

#include "engine/base/limits.h"
#include "engine/base/system_runtime.h"
#include "tests/base/testing.h"

namespace baton {
namespace {

using limits::kGiB;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr uint64_t kTotal = 100 * kGiB;

TEST(SpaceGauge, HasTwoLevels) {
  SpaceGauge gauge("the pool", {.warning_percent = 10, .critical_percent = 3});
  EXPECT_EQ(gauge.level(), SpaceLevel::kEnough) << "nothing is known";
  absl::Duration now;
  const auto level_at = [&](uint64_t free_bytes) {
    gauge.Note(now += absl::Seconds(1), free_bytes, kTotal);
    return gauge.level();
  };
  EXPECT_EQ(level_at(10 * kGiB), SpaceLevel::kEnough);
  EXPECT_EQ(level_at(10 * kGiB - 1), SpaceLevel::kWarning);
  EXPECT_EQ(level_at(3 * kGiB), SpaceLevel::kWarning);
  EXPECT_EQ(level_at(3 * kGiB - 1), SpaceLevel::kCritical);
  EXPECT_EQ(level_at(3 * kGiB), SpaceLevel::kCritical) << "it is left a bit later";
  EXPECT_EQ(level_at(4 * kGiB), SpaceLevel::kWarning);
  EXPECT_EQ(level_at(10 * kGiB), SpaceLevel::kWarning);
  EXPECT_EQ(level_at(12 * kGiB), SpaceLevel::kEnough);
}

TEST(SpaceGauge, NothingFreeIsCriticalWhateverTheLevels) {
  SpaceGauge gauge("the pool", {.warning_percent = 0, .critical_percent = 0});
  gauge.Note(absl::Seconds(1), 0, kTotal);
  EXPECT_EQ(gauge.level(), SpaceLevel::kCritical);
  EXPECT_EQ(gauge.Text(), "the pool has 0 B of 100 GiB free (0 %)");
}

TEST(SpaceGauge, TellsWhenItIsFullAtThePresentPace) {
  SpaceGauge gauge("the pool", {});
  gauge.Note(absl::Seconds(0), 9 * kGiB, kTotal);
  EXPECT_EQ(gauge.TimeToFull(), absl::InfiniteDuration());
  gauge.Note(absl::Seconds(60), 8 * kGiB, kTotal);
  EXPECT_EQ(gauge.TimeToFull(), absl::Seconds(480));
  EXPECT_EQ(gauge.Text(),
            "the pool has 8 GiB of 100 GiB free (8 %), and is full in 8:00 at the present pace");
  gauge.Note(absl::Seconds(120), 9 * kGiB, kTotal);
  EXPECT_EQ(gauge.TimeToFull(), absl::InfiniteDuration());
  // What was more than ten minutes ago does not count.
  gauge.Note(absl::Seconds(900), 9 * kGiB, kTotal);
  gauge.Note(absl::Seconds(960), 9 * kGiB, kTotal);
  EXPECT_EQ(gauge.TimeToFull(), absl::InfiniteDuration());
}

TEST(SpaceWatch, TellsOfPoolAndReserve) {
  SystemRuntime runtime;
  SpaceWatch watch(runtime, {});
  EXPECT_THAT(watch.Describe().critical, IsEmpty());
  watch.Note({.free_bytes = kGiB, .total_bytes = kTotal, .reserve_bytes = 0});
  EXPECT_THAT(watch.Describe().critical, ElementsAre(HasSubstr("the pool has 1 GiB")));
  EXPECT_THAT(watch.Describe().warnings, IsEmpty()) << "it may be filled just now";
  watch.Note({.free_bytes = 50 * kGiB, .total_bytes = kTotal, .reserve_bytes = 0});
  EXPECT_THAT(watch.Describe().critical, IsEmpty());
  EXPECT_THAT(watch.Describe().warnings, ElementsAre(HasSubstr("reserve has 0 B of 32 MiB")));
  watch.Note(
      {.free_bytes = 50 * kGiB, .total_bytes = kTotal, .reserve_bytes = limits::kReserveBytes});
  EXPECT_THAT(watch.Describe().warnings, IsEmpty());
}

}  // namespace
}  // namespace baton
