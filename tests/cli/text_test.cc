// What people type and what they read.
#include <absl/time/clock.h>

#include "cli/baton/arguments.h"
#include "cli/baton/clone_text.h"
#include "cli/baton/console.h"
#include "cli/baton/extent_map.h"
#include "cli/baton/progress_meter.h"
#include "engine/base/limits.h"
#include "engine/base/names.h"
#include "tests/base/testing.h"

namespace baton {
namespace {

using testing::HasSubstr;

TEST(RateTest, IsASizePerSecondOrUnlimited) {
  EXPECT_EQ(Must(ParseRate("100M/s")), 100 * limits::kMiB);
  EXPECT_EQ(Must(ParseRate("64K")), 64 * limits::kKiB);
  EXPECT_EQ(Must(ParseRate("unlimited")), 0U);
  EXPECT_EQ(Must(ParseRate("0")), 0U);
  for (const char* text : {"", "/s", "fast", "-1", "1M/m", "1.5M/s"}) {
    EXPECT_CODE(ParseRate(text), kInvalidArgument) << text;
  }
  EXPECT_EQ(FormatRate(0), "unlimited");
  EXPECT_EQ(FormatRate(limits::kMiB), "1 MiB/s");
}

TEST(SinceTest, IsAPointInTimeOrHowLongAgo) {
  const absl::Time now = absl::FromUnixSeconds(1'700'000'000);
  EXPECT_EQ(Must(ParseSince("2023-11-14T22:13:20Z", now)), now);
  EXPECT_EQ(Must(ParseSince("15m", now)), now - absl::Minutes(15));
  EXPECT_EQ(Must(ParseSince("2d", now)), now - absl::Hours(48));
  const absl::CivilSecond local = absl::ToCivilSecond(now, absl::LocalTimeZone());
  EXPECT_EQ(Must(ParseSince(absl::FormatCivilTime(local), now)), now);
  for (const char* text : {"", "yesterday", "15", "m", "-5m", "2023-13-01"}) {
    EXPECT_CODE(ParseSince(text, now), kInvalidArgument) << text;
  }
}

TEST(TableTest, AlignsItsColumns) {
  EXPECT_EQ(FormatTable({{"ID", "NAME"}, {"1", "a"}, {"100", "b"}}),
            "ID   NAME\n"
            "1    a\n"
            "100  b");
}

TEST(ProgressTest, TellsRateAndTimeLeftOfTheLastSeconds) {
  ProgressMeter meter;
  const absl::Duration start = absl::Seconds(1000);
  EXPECT_EQ(meter.TimeLeft(), std::nullopt);
  for (int second = 0; second <= 20; ++second) {
    // Slow for ten seconds, then at 2 MiB/s.
    const uint64_t done = second <= 10 ? 0 : (second - 10) * 2 * limits::kMiB;
    meter.Add(start + absl::Seconds(second), done, 40 * limits::kMiB);
  }
  EXPECT_EQ(meter.bytes_per_second(), 2.0 * limits::kMiB);
  EXPECT_EQ(meter.TimeLeft(), absl::Seconds(10));
  EXPECT_THAT(meter.Line(200), HasSubstr(" 50 %  20 MiB of 40 MiB  2 MiB/s  0:10 left"));
}

TEST(ProgressTest, FitsTheTerminalAndSaysHundredOnlyAtTheEnd) {
  ProgressMeter meter;
  meter.Add(absl::ZeroDuration(), 999, 1000);
  EXPECT_THAT(meter.Line(80), HasSubstr(" 99 %"));
  for (const size_t width : {1, 20, 79, 200}) EXPECT_LE(meter.Line(width).size(), width);
  meter.Add(absl::ZeroDuration(), 1000, 1000);
  EXPECT_THAT(meter.Line(80), HasSubstr("100 %"));
}

TEST(ProgressTest, FormatsTimes) {
  EXPECT_EQ(FormatElapsed(absl::Seconds(7)), "0:07");
  EXPECT_EQ(FormatElapsed(absl::Seconds(3723)), "1:02:03");
  EXPECT_EQ(FormatElapsed(absl::Hours(51)), "2 d 3 h");
}

TEST(ExtentMapTest, ShowsWhereTheResidualIs) {
  Residual residual;
  ExtentRun& pending = *residual.add_pending();
  pending.set_first(50);
  pending.set_count(50);
  ExtentRun& copying = *residual.add_copying();
  copying.set_first(49);
  copying.set_count(1);
  EXPECT_EQ(ExtentMap(residual, 100, 10), "####+.....");
  EXPECT_EQ(ExtentMap(Residual(), 100, 4), "####");
  EXPECT_EQ(ExtentMap(residual, 100, 0), "");
}

TEST(CloneViewTest, SaysHundredPercentOnlyWhenAllIsCopied) {
  CloneStatus clone;
  clone.set_extents_total(1000);
  clone.set_extents_copied(999);
  EXPECT_EQ(PercentCopied(clone), "99 %");
  clone.set_extents_copied(1000);
  EXPECT_EQ(PercentCopied(clone), "100 %");
}

TEST(CloneViewTest, CountsTheLastExtentOnlyAsFarAsTheVolumeReaches) {
  CloneStatus clone;
  clone.set_size_bytes(5 * limits::kKiB);
  clone.set_extent_bytes(4 * limits::kKiB);
  clone.set_extents_copied(2);
  EXPECT_EQ(CopiedBytes(clone), 5 * limits::kKiB);
}

}  // namespace
}  // namespace baton
