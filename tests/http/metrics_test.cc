#include "cli/http/metrics.h"

#include <absl/strings/match.h>
#include <absl/strings/str_split.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/control/issues.h"
#include "cli/http/http_settings.h"

namespace baton::http {
namespace {

using ::testing::Contains;
using ::testing::Not;

std::vector<std::string> Lines(const Observation& observation) {
  return absl::StrSplit(MetricsText(observation), '\n');
}

size_t CountSeries(const std::vector<std::string>& lines, const std::string& family) {
  size_t count = 0;
  for (const std::string& line : lines) count += absl::StartsWith(line, family + "{") ? 1 : 0;
  return count;
}

Observation WithVolumes(uint64_t volumes) {
  Observation observation;
  observation.io.emplace();
  VolumeNames names;
  for (uint64_t id = 1; id <= volumes; ++id) {
    names[id] = fmt::format("v{}", id);
    fs::VolumeIoCounts& counts = observation.io->volumes.emplace_back();
    counts.volume_id = id;
    counts.kinds[0] = {.requests = 1, .bytes = 4096};
  }
  observation.volumes = names.size();
  observation.volume_counts = VolumeSeries().Note(observation.io->volumes, names);
  return observation;
}

CloneStatus CloneWith(uint64_t id, const std::string& state) {
  CloneStatus clone;
  clone.set_id(id);
  clone.set_source("s");
  clone.set_target("t");
  clone.set_state(state);
  clone.set_extents_total(10);
  return clone;
}

TEST(MetricsTest, RequestsAreShownByKindAndVolume) {
  const auto lines = Lines(WithVolumes(1));
  EXPECT_THAT(lines, Contains("baton_host_requests_total{kind=\"read\",volume=\"v1\"} 1"));
  EXPECT_THAT(lines, Contains("baton_host_bytes_total{kind=\"read\",volume=\"v1\"} 4096"));
  EXPECT_THAT(lines, Contains("baton_host_requests_total{kind=\"write\",volume=\"v1\"} 0"));
}

TEST(MetricsTest, VolumesBeyondTheLimitShareOneSeries) {
  const auto lines = Lines(WithVolumes(kVolumesShown + 44));
  EXPECT_EQ(CountSeries(lines, "baton_host_requests_total"), (kVolumesShown + 1) * fs::kIoKinds);
  EXPECT_THAT(lines, Contains("baton_host_requests_total{kind=\"read\",volume=\"(other)\"} 44"));
  EXPECT_THAT(lines, Not(Contains("baton_host_requests_total{kind=\"read\",volume=\"v257\"} 1")));
}

TEST(MetricsTest, VolumesAreNotCountedWhileNothingIsKnown) {
  EXPECT_THAT(Lines(WithVolumes(2)), Contains("baton_volumes 2"));
  EXPECT_THAT(Lines({}), Not(Contains(::testing::StartsWith("baton_volumes "))));
}

TEST(MetricsTest, ClonesBeyondTheLimitAreCountedAndThoseUnderWayComeFirst) {
  Observation observation;
  *observation.status.add_clones() = CloneWith(1, "copying");
  for (uint64_t id = 2; id <= kClonesShown + 10; ++id) {
    *observation.status.add_clones() = CloneWith(id, "completed");
  }
  observation.status.set_clones_left_out(5);
  const auto lines = Lines(observation);
  EXPECT_EQ(CountSeries(lines, "baton_clone_info"), kClonesShown);
  EXPECT_THAT(lines, Contains("baton_clones_hidden 15"));
  EXPECT_THAT(lines, Contains("baton_clones{state=\"copying\"} 1"));
  EXPECT_THAT(
      lines,
      Contains("baton_clone_info{clone=\"1\",source=\"s\",target=\"t\",state=\"copying\"} 1"));
}

TEST(MetricsTest, CopiesBeyondExtentsAreThoseMadeTwice) {
  Observation observation;
  CloneStatus& clone = *observation.status.add_clones();
  clone = CloneWith(1, "completed");
  clone.set_copies_total(13);
  EXPECT_THAT(
      Lines(observation),
      Contains("baton_clone_copies_beyond_extents{clone=\"1\",source=\"s\",target=\"t\"} 3"));
}

TEST(MetricsTest, LatenciesAreCumulativeAndEndWithAll) {
  Observation observation;
  observation.io.emplace();
  fs::IoTimes& reads = observation.io->kinds[0];
  reads.latencies.Add(absl::Microseconds(100), 3);
  reads.latencies.Add(absl::Seconds(60));
  reads.total = absl::Microseconds(300) + absl::Seconds(60);
  const auto lines = Lines(observation);
  const std::string bucket = "baton_host_request_duration_seconds_bucket{kind=\"read\",le=\"";
  EXPECT_THAT(lines, Contains(bucket + "6.4e-05\"} 0"));
  EXPECT_THAT(lines, Contains(bucket + "0.000128\"} 3"));
  EXPECT_THAT(lines, Contains(bucket + "+Inf\"} 4"));
  EXPECT_THAT(lines, Contains("baton_host_request_duration_seconds_count{kind=\"read\"} 4"));
  EXPECT_THAT(lines, Contains("baton_host_request_duration_seconds_sum{kind=\"read\"} 60.0003"));
}

TEST(MetricsTest, IssuesAreCountedByKindAndWarningsApart) {
  Observation observation;
  control::AddProblem(control::IssueKind::kNode, "one", observation.status);
  control::AddProblem(control::IssueKind::kNode, "two", observation.status);
  control::AddWarning(control::IssueKind::kVirtualMachine, "three", observation.status);
  const auto lines = Lines(observation);
  EXPECT_THAT(lines, Contains("baton_problems{kind=\"node\"} 2"));
  EXPECT_THAT(lines, Contains("baton_problems{kind=\"virtual-machine\"} 0"));
  EXPECT_THAT(lines, Contains("baton_warnings{kind=\"virtual-machine\"} 1"));
  EXPECT_THAT(lines, Contains("baton_warnings{kind=\"node\"} 0"));
}

TEST(MetricsTest, ALossThatNobodyWouldTakeOverHasNoForecast) {
  Observation observation;
  control::TakeoverForecast& process = *observation.status.add_takeover_forecast();
  process.set_loss("process");
  process.set_proof("certificate");
  process.set_wait_ms(300);
  observation.status.add_takeover_forecast()->set_loss("node");
  const auto lines = Lines(observation);
  EXPECT_THAT(
      lines,
      Contains("baton_takeover_forecast_seconds{loss=\"process\",proof=\"certificate\"} 0.3"));
  EXPECT_EQ(CountSeries(lines, "baton_takeover_forecast_seconds"), 1u);
}

TEST(MetricsTest, FirstWritesAreShownByTheirWayWhereTheyAreKnown) {
  const std::string family = "baton_host_first_write_duration_seconds";
  Observation observation;
  EXPECT_EQ(CountSeries(Lines(observation), family + "_count"), 0u);
  FirstWriteTimes times;
  times.NoteLogged(absl::Microseconds(100));
  times.NotePreserved(absl::Milliseconds(3));
  times.NotePreserved(absl::Milliseconds(5));
  observation.first_writes = times.Load();
  const auto lines = Lines(observation);
  EXPECT_THAT(lines, Contains(family + "_count{way=\"log\"} 1"));
  EXPECT_THAT(lines, Contains(family + "_count{way=\"preserve\"} 2"));
  EXPECT_THAT(lines, Contains(family + "_sum{way=\"preserve\"} 0.008"));
  EXPECT_THAT(lines, Contains(family + "_bucket{way=\"preserve\",le=\"0.004096\"} 1"));
}

TEST(MetricsTest, APeerThatWasNeverHeardHasNoAge) {
  Observation observation;
  observation.status.set_node("left");
  observation.status.add_nodes()->set_name("left");
  control::NodeStatus& right = *observation.status.add_nodes();
  right.set_name("right");
  EXPECT_EQ(CountSeries(Lines(observation), "baton_peer_heartbeat_age_seconds"), 0u);
  right.set_heard_ms(1500);
  const auto lines = Lines(observation);
  EXPECT_THAT(lines, Contains("baton_peer_heartbeat_age_seconds{peer=\"right\"} 1.5"));
  EXPECT_EQ(CountSeries(lines, "baton_peer_reachable"), 1u);
}

}  // namespace
}  // namespace baton::http
