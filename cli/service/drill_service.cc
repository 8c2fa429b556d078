#include "cli/service/drill_service.h"

#include <absl/strings/str_split.h>

#include <algorithm>
#include <optional>
#include <set>
#include <string_view>

#include "cli/control/drill_names.h"
#include "cli/service/audit.h"
#include "engine/base/names.h"
#include "engine/base/status.h"

namespace baton::control {
namespace {

constexpr char kBegan[] = "drill-began";
constexpr char kStruck[] = "drill-struck";
constexpr char kEnded[] = "drill-ended";
// The answer reaches whoever asked before the process ends.
constexpr absl::Duration kCrashDelay = absl::Milliseconds(200);
// A drill has its volume open at the latest so long after it began.
constexpr absl::Duration kYoung = absl::Minutes(1);
constexpr uint64_t kMaxPartitionMs = 30'000;
constexpr uint64_t kMaxDrillBytes = uint64_t{1} << 30;
constexpr uint64_t kEventsLooked = 20'000;
constexpr size_t kEventsAtOnce = 1'000;
constexpr size_t kMaxResultText = 300;

// At most `most` bytes of it, and no half of a character: an event with one could not be read.
std::string Shortened(const std::string& text, size_t most) {
  if (text.size() <= most) return text;
  const auto goes_on = [](unsigned char c) { return (c & 0xC0) == 0x80; };
  while (most > 0 && goes_on(text[most])) --most;
  return text.substr(0, most);
}

const std::set<std::string>& Drills() {
  static const std::set<std::string> drills = {"handover", "crash", "partition"};
  return drills;
}

absl::Status CheckNamed(const std::string& drill, const std::string& volume) {
  if (Drills().contains(drill) && IsDrillVolume(volume)) return absl::OkStatus();
  return absl::InvalidArgumentError("there is no such drill");
}

// The drill that an event is about; empty: none.
std::string DrillOf(const Event& event) {
  const std::vector<std::string> words = absl::StrSplit(event.text(), absl::ByAnyChar(" :"));
  const auto found = std::find_if(words.begin(), words.end(), IsDrillVolume);
  return found == words.end() ? "" : *found;
}

// The source of the drill that a volume may be of; nullopt: it is none's.
std::optional<std::string> SourceOf(const std::string& volume) {
  const std::string source = volume.substr(0, kDrillPrefix.size() + kDrillDigits);
  const bool is_drills =
      IsDrillVolume(source) && (volume == source || volume == DrillTarget(source));
  return is_drills ? std::optional(source) : std::nullopt;
}

absl::Status CheckHealthy(const ControllerStatus& status) {
  if (status.healthy()) return absl::OkStatus();
  const std::string why = status.problems().empty() ? "it is not healthy" : status.problems(0);
  return Error(absl::StatusCode::kFailedPrecondition,
               "no drill while something is wrong: {}; see `baton status`", why);
}

absl::Status CheckPeers(const std::string& drill, const ControllerStatus& status) {
  if (drill != "crash" && status.nodes_size() < 2) {
    return Error(absl::StatusCode::kFailedPrecondition,
                 "this controller has no peers (--peer): a {} takes two nodes; `baton drill crash` "
                 "needs none",
                 drill);
  }
  if (drill != "crash" || status.takeover() != "manual") return absl::OkStatus();
  return absl::FailedPreconditionError(
      "takeover is manual: after a crash no node would own the pool before an operator decides; "
      "`baton drill handover` is possible");
}

// Two volumes, and a rest that others can use meanwhile.
absl::Status CheckSpace(uint64_t size_bytes, const ControllerStatus& status) {
  if (size_bytes > kMaxDrillBytes) {
    return Error(absl::StatusCode::kInvalidArgument, "the volume of a drill has at most {}",
                 FormatSize(kMaxDrillBytes));
  }
  const uint64_t needed = 2 * size_bytes + status.pool_total_bytes() / 20;
  if (status.pool_free_bytes() >= needed) return absl::OkStatus();
  return Error(absl::StatusCode::kResourceExhausted,
               "the pool has {} free, and the drill needs {} (two volumes, and 5 % for others): "
               "make room, or choose a smaller --size",
               FormatSize(status.pool_free_bytes()), FormatSize(needed));
}

}  // namespace

absl::StatusOr<DrillBegun> DrillService::Begin(const DrillBegin& request, const Caller& caller) {
  BATON_RETURN_IF_ERROR(CheckNamed(request.drill(), request.volume()));
  BATON_RETURN_IF_ERROR(CheckVolumeSize(request.size_bytes()));
  const absl::MutexLock lock(&mutex_);
  BATON_RETURN_IF_ERROR(CheckFit(request));
  DrillBegun begun;
  BATON_ASSIGN_OR_RETURN(const std::vector<std::string> leftovers, FindLeftovers());
  begun.mutable_leftovers()->Assign(leftovers.begin(), leftovers.end());
  BATON_RETURN_IF_ERROR(Record(
      kBegan,
      fmt::format("drill {} with volume {} of {} was begun by {}", request.drill(),
                  request.volume(), FormatSize(request.size_bytes()), DescribeCaller(caller))));
  return begun;
}

absl::Status DrillService::CheckFit(const DrillBegin& request) const {
  const ControllerStatus status = options_.status();
  BATON_RETURN_IF_ERROR(CheckPeers(request.drill(), status));
  BATON_RETURN_IF_ERROR(CheckHealthy(status));
  if (request.drill() == "crash") BATON_RETURN_IF_ERROR(CheckCrash());
  return CheckSpace(request.size_bytes(), status);
}

absl::Status DrillService::CheckCrash() const {
  if (options_.crash.check) return options_.crash.check();
  return absl::FailedPreconditionError("this controller cannot be killed");
}

absl::StatusOr<std::map<std::string, DrillService::Past>> DrillService::ReadPast() const {
  std::map<std::string, Past> drills;
  BATON_ASSIGN_OR_RETURN(const uint64_t last, options_.engine.LastEventAfter(0));
  uint64_t after = last - std::min(last, kEventsLooked);
  while (true) {
    BATON_ASSIGN_OR_RETURN(const std::vector<Event> events,
                           options_.engine.ListEvents(after, kEventsAtOnce));
    if (events.empty()) return drills;
    for (const Event& event : events) {
      after = event.sequence();
      if (event.kind() == kBegan) {
        drills[DrillOf(event)].began = absl::FromUnixMicros(event.unix_us());
      } else if (event.kind() == kEnded) {
        drills[DrillOf(event)].ended = true;
      }
    }
  }
}

// FailedPrecondition: one of them is not over.
absl::StatusOr<std::vector<std::string>> DrillService::FindLeftovers() const {
  if (options_.await_opens) BATON_RETURN_IF_ERROR(options_.await_opens(/*degraded=*/false));
  BATON_ASSIGN_OR_RETURN(const auto drills, ReadPast());
  std::set<std::string> there;
  for (const VolumeInfo& volume : options_.engine.ListVolumes()) {
    if (const auto source = SourceOf(volume.name)) there.insert(*source);
  }
  std::vector<std::string> leftovers;
  for (const auto& [volume, past] : drills) {
    const bool is_open = IsOpen(volume) || IsOpen(DrillTarget(volume));
    const bool is_young = options_.runtime.WallTime() - past.began < kYoung;
    if (!past.ended && (is_open || is_young)) {
      return Error(
          absl::StatusCode::kFailedPrecondition,
          "another drill runs (volume {}), or was killed less than {} ago: try again later", volume,
          absl::FormatDuration(kYoung));
    }
    if (there.contains(volume) && !is_open) leftovers.push_back(volume);
  }
  return leftovers;
}

bool DrillService::IsOpen(const std::string& volume) const {
  const auto shown = options_.engine.ShowVolume(volume, Allocation::kAssumed);
  return shown.ok() && shown->open_count() > 0;
}

absl::StatusOr<DrillStruck> DrillService::Crash(const DrillOrder& request, const Caller& caller) {
  BATON_RETURN_IF_ERROR(CheckCrash());
  BATON_ASSIGN_OR_RETURN(const DrillStruck struck,
                         Announce(request.volume(), "its process is killed", caller));
  BATON_RETURN_IF_ERROR(options_.crash.give(kCrashDelay));
  return struck;
}

absl::StatusOr<DrillStruck> DrillService::Partition(const DrillPartition& request,
                                                    const Caller& caller) {
  if (!options_.isolate) {
    return absl::FailedPreconditionError("this controller has no peers (--peer)");
  }
  if (request.milliseconds() == 0 || request.milliseconds() > kMaxPartitionMs) {
    return absl::InvalidArgumentError("a partition takes from 1 ms to 30 s");
  }
  const absl::Duration time = absl::Milliseconds(static_cast<int64_t>(request.milliseconds()));
  BATON_ASSIGN_OR_RETURN(
      const DrillStruck struck,
      Announce(request.volume(), "it is cut off from its peers for " + absl::FormatDuration(time),
               caller));
  BATON_RETURN_IF_ERROR(options_.isolate(time));
  return struck;
}

absl::StatusOr<DrillStruck> DrillService::Announce(const std::string& volume,
                                                   const std::string& what,
                                                   const Caller& caller) const {
  if (!IsDrillVolume(volume) || !options_.engine.FindVolume(volume).ok()) {
    return absl::FailedPreconditionError("there is no such drill");
  }
  const ControllerStatus status = options_.status();
  BATON_RETURN_IF_ERROR(CheckHealthy(status));
  BATON_RETURN_IF_ERROR(
      Record(kStruck, fmt::format("node {}, process {}: {} for {}, asked for by {}", status.node(),
                                  status.pid(), what, volume, DescribeCaller(caller))));
  DrillStruck struck;
  struck.set_node(status.node());
  struck.set_epoch(status.epoch());
  struck.set_pid(status.pid());
  return struck;
}

absl::StatusOr<Done> DrillService::End(const DrillEnd& request, const Caller& caller) {
  BATON_RETURN_IF_ERROR(CheckNamed(request.drill(), request.volume()));
  std::string result = Shortened(request.result(), kMaxResultText);
  const auto is_control = [](unsigned char c) { return c < ' ' || c == 0x7f; };
  std::replace_if(result.begin(), result.end(), is_control, ' ');
  BATON_RETURN_IF_ERROR(Record(
      kEnded,
      fmt::format("drill {} with volume {}: {}; longest wait {} ms; by {}", request.drill(),
                  request.volume(), result, request.longest_wait_ms(), DescribeCaller(caller))));
  return Done();
}

absl::Status DrillService::Record(const std::string& kind, const std::string& text) const {
  Event event;
  event.set_kind(kind);
  event.set_text(text);
  return options_.engine.RecordEvent(std::move(event));
}

}  // namespace baton::control
