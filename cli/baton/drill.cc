#include "cli/baton/drill.h"

#include <absl/time/clock.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/vfs.h>

#include <algorithm>
#include <utility>

#include "cli/baton/clone_follow.h"
#include "cli/baton/clone_text.h"
#include "cli/baton/interrupt.h"
#include "cli/baton/patient_call.h"
#include "cli/control/drill_names.h"
#include "cli/control/names_of.h"
#include "engine/base/boot_time.h"
#include "engine/base/clone_state.h"
#include "engine/base/limits.h"
#include "engine/base/proof.h"
#include "engine/base/random.h"
#include "engine/base/status.h"

namespace baton {

using control::ControllerStatus;
using control::DrillReport;
using control::DrillStruck;
using control::Request;
using control::Response;

namespace {

constexpr absl::Duration kLook = absl::Milliseconds(100);
// After a blow: until there is an owner, and until everybody is back.
constexpr absl::Duration kOwnerLimit = absl::Minutes(1);
constexpr absl::Duration kWholeLimit = absl::Minutes(1);
// How long requests may wait in a partition on the owner's mount, and on another one for longer
// than the partition.
constexpr absl::Duration kPartitionLimit = absl::Seconds(1);
// Requests are there before a blow and after it.
constexpr absl::Duration kLoadBeside = absl::Milliseconds(500);
// The clone is to copy on during the blow.
constexpr uint64_t kSecondsOfCopy = 120;

// docs/guarantees.md#drills
absl::Duration LimitOf(const std::string& proof) {
  const std::optional<Proof> known = ParseProof(proof);
  if (!known) return absl::InfiniteDuration();
  switch (*known) {
    case Proof::kHandover:
      return absl::Milliseconds(300);
    case Proof::kCertificate:
      return absl::Seconds(1);
    case Proof::kFence:
      return absl::Seconds(5);
    case Proof::kWatchdog:
      return absl::Seconds(12);
    case Proof::kLease:
      return absl::Seconds(6);
    case Proof::kNoneNeeded:
    case Proof::kOperator:
      break;
  }
  return absl::InfiniteDuration();
}

std::string DrillVolumeName(uint64_t seed) {
  return fmt::format("{}{:08x}", control::kDrillPrefix, seed & 0xffffffff);
}

// The node that the pool is handed to: this one, if it can be, so that the requests of the drill
// are those of the node that takes over.
std::string HandoverTarget(const ControllerStatus& status) {
  const auto is_fit = [](const control::NodeStatus& node) {
    return node.role() == NameOf(control::Role::kStandby) && node.reachable();
  };
  std::string chosen;
  for (const control::NodeStatus& node : status.nodes()) {
    if (is_fit(node) && (chosen.empty() || node.name() == status.node())) chosen = node.name();
  }
  return chosen;
}

absl::Status CheckMount(const std::string& mount) {
  struct statfs found;
  if (::statfs(mount.c_str(), &found) == 0 && found.f_type == FUSE_SUPER_MAGIC) {
    return absl::OkStatus();
  }
  return Error(absl::StatusCode::kFailedPrecondition,
               "the mount {} of the controller is not there for this program: run the drill on the "
               "node itself",
               mount);
}

uint64_t Ms(absl::Duration duration) {
  return duration == absl::InfiniteDuration()
             ? 0
             : static_cast<uint64_t>(absl::ToInt64Milliseconds(duration));
}

absl::Status InterruptedDrill() { return Error(absl::StatusCode::kCancelled, "interrupted"); }

absl::Status SleepHeeding(absl::Duration duration) {
  SleepUnlessInterrupted(duration);
  return Interrupted() ? InterruptedDrill() : absl::OkStatus();
}

}  // namespace

Drill::Drill(CommandContext& context, DrillOptions options)
    : context_(context),
      options_(std::move(options)),
      seed_(RandomNumber()),
      volumes_(context, DrillVolumeName(seed_)) {
  report_.set_drill(options_.drill);
  report_.set_volume(volumes_.source());
  report_.set_size_bytes(options_.size_bytes);
}

absl::StatusOr<DrillReport> Drill::Run() {
  BATON_RETURN_IF_ERROR(Begin());
  const absl::Status done = RunAll();
  Expect(done.ok(), Message(done));
  if (load_ != nullptr) {
    report_.set_writes(load_->counts().writes);
    report_.set_reads(load_->counts().reads);
  }
  CleanUp();
  report_.set_passed(report_.failures().empty());
  const absl::Status recorded = End();
  if (!recorded.ok()) {
    context_.console.Complain("the end of the drill is not in the events: " + Message(recorded));
  }
  context_.console.EndProgress();
  return report_;
}

absl::Status Drill::Begin() {
  Request asked;
  asked.mutable_status();
  BATON_ASSIGN_OR_RETURN(Response response, context_.client->Call(asked));
  before_ = response.status();
  BATON_RETURN_IF_ERROR(CheckMount(before_.mount()));
  Request request;
  request.mutable_drill_begin()->set_drill(options_.drill);
  request.mutable_drill_begin()->set_volume(volumes_.source());
  request.mutable_drill_begin()->set_size_bytes(options_.size_bytes);
  BATON_ASSIGN_OR_RETURN(response, context_.client->Call(request));
  for (const std::string& volume : response.drill_begun().leftovers()) {
    DrillVolumes leftover(context_, volume);
    const std::vector<std::string> left = leftover.Remove();
    if (left.empty()) {
      context_.console.Confirm(fmt::format("{} of an earlier drill was removed", volume));
    } else {
      context_.console.Complain(
          fmt::format("{} of an earlier drill could not be removed; by hand: {}", volume,
                      fmt::join(left, "; ")));
    }
  }
  return absl::OkStatus();
}

absl::Status Drill::RunAll() {
  BATON_RETURN_IF_ERROR(Prepare());
  absl::Status struck;
  if (options_.drill == "handover") {
    struck = HandOver();
  } else if (options_.drill == "crash") {
    struck = Crash();
  } else {
    struck = Partition();
  }
  BATON_RETURN_IF_ERROR(struck);
  return Finish();
}

absl::Status Drill::Prepare() {
  BATON_RETURN_IF_ERROR(volumes_.Make(options_.size_bytes));
  BATON_ASSIGN_OR_RETURN(load_,
                         DrillLoad::Open(volumes_.source_path(), options_.size_bytes, seed_));
  BATON_RETURN_IF_ERROR(load_->Fill([this](uint64_t done, uint64_t total) {
    context_.console.ShowProgress(
        fmt::format("filling {}: {} %", volumes_.source(), 100 * done / total));
    return !Interrupted();
  }));
  const uint64_t rate =
      std::max(options_.size_bytes / kSecondsOfCopy / limits::kBlockBytes, uint64_t{16}) *
      limits::kBlockBytes;
  BATON_RETURN_IF_ERROR(volumes_.StartClone(rate));
  BATON_RETURN_IF_ERROR(load_->Start(volumes_.target_path()));
  BATON_RETURN_IF_ERROR(SleepHeeding(kLoadBeside));
  BATON_RETURN_IF_ERROR(Compare());
  load_->TakeLongest();
  // What the other nodes did meanwhile counts.
  BATON_ASSIGN_OR_RETURN(before_, AwaitWhole());
  return absl::OkStatus();
}

absl::Status Drill::HandOver() {
  const std::string first = before_.owner();
  const std::string to = HandoverTarget(before_);
  if (to.empty()) return absl::FailedPreconditionError("there is no standby that is reachable");
  BATON_RETURN_IF_ERROR(HandOverTo(to, "handover to " + to));
  return HandOverTo(first, "handover back to " + first);
}

absl::Status Drill::HandOverTo(const std::string& node, const std::string& name) {
  context_.console.ShowProgress(name);
  const uint64_t epoch = before_.epoch();
  Request request;
  request.mutable_failover()->set_to(node);
  request.mutable_failover()->set_timeout_ms(Ms(kOwnerLimit));
  BATON_ASSIGN_OR_RETURN(const Response response, context_.client->Call(request));
  if (response.failover().timed_out()) {
    return Error(absl::StatusCode::kFailedPrecondition, "{}: no other node owns the pool", name);
  }
  BATON_ASSIGN_OR_RETURN(const ControllerStatus after, AwaitOwner(epoch + 1));
  Expect(after.owner() == node && after.epoch() == epoch + 1,
         fmt::format("{}: node {} owns the pool, epoch {}, not {}", name, after.owner(),
                     after.epoch(), epoch + 1));
  Expect(ParseProof(after.proof()) == Proof::kHandover,
         fmt::format("{}: it was claimed by proof {}", name, after.proof()));
  return EndStep(name, after, LimitOf(Name(Proof::kHandover)));
}

absl::StatusOr<DrillStruck> Drill::Strike(const Request& request) {
  BATON_ASSIGN_OR_RETURN(const Response response, context_.client->Call(request));
  return response.drill_struck();
}

absl::Status Drill::Crash() {
  Request request;
  request.mutable_drill_crash()->set_volume(volumes_.source());
  BATON_ASSIGN_OR_RETURN(const DrillStruck struck, Strike(request));
  report_.set_killed_pid(struck.pid());
  crashes_ = 1;
  const std::string name = fmt::format("crash of {}", struck.node());
  context_.console.ShowProgress(fmt::format("{}: process {} is killed", name, struck.pid()));
  BATON_ASSIGN_OR_RETURN(const ControllerStatus after, AwaitOwner(struck.epoch() + 1));
  crashes_ = after.epoch() - struck.epoch();
  const std::optional<Proof> proof = ParseProof(after.proof());
  Expect(proof && *proof != Proof::kHandover && *proof != Proof::kNoneNeeded,
         fmt::format("{}: the next epoch was claimed by proof {}, so nothing had crashed", name,
                     after.proof()));
  return EndStep(name, after, LimitOf(after.proof()));
}

absl::Status Drill::Partition() {
  Request request;
  request.mutable_drill_partition()->set_volume(volumes_.source());
  request.mutable_drill_partition()->set_milliseconds(Ms(options_.partition));
  BATON_ASSIGN_OR_RETURN(const DrillStruck struck, Strike(request));
  const std::string name = fmt::format("partition of {}", struck.node());
  context_.console.ShowProgress(
      fmt::format("{} for {}", name, absl::FormatDuration(options_.partition)));
  BATON_ASSIGN_OR_RETURN(const bool was_one, WatchPartition(options_.partition));
  Expect(was_one, fmt::format("{}: no node was missed, so there was none", name));
  BATON_ASSIGN_OR_RETURN(const ControllerStatus after, AwaitWhole());
  // A claim makes another epoch, whoever wins it.
  Expect(after.owner() == struck.node() && after.epoch() == struck.epoch(),
         fmt::format("{}: node {} owns epoch {}, not {} epoch {}: a node took over from an owner "
                     "that renewed its lease",
                     name, after.owner(), after.epoch(), struck.node(), struck.epoch()));
  const bool is_owner = before_.node() == struck.node();
  return EndStep(name, after,
                 kPartitionLimit + (is_owner ? absl::ZeroDuration() : options_.partition));
}

absl::StatusOr<bool> Drill::WatchPartition(absl::Duration time) {
  const absl::Duration end = BootTime() + time;
  bool was_missed = false;
  while (BootTime() < end) {
    BATON_ASSIGN_OR_RETURN(const ControllerStatus status, Ask());
    for (const control::NodeStatus& node : status.nodes()) was_missed |= !node.reachable();
    Expect(status.owner().empty() || status.owner() == before_.owner(),
           fmt::format("in the partition node {} owns the pool, too", status.owner()));
    BATON_RETURN_IF_ERROR(SleepHeeding(kLook));
  }
  return was_missed;
}

absl::Status Drill::Finish() {
  context_.console.ShowProgress("the rest of the clone is copied");
  BATON_ASSIGN_OR_RETURN(const CloneStatus clone, volumes_.FinishClone());
  report_.set_certificate(clone.certificate());
  Expect(!clone.certificate().empty(), "the clone has no certificate");
  const uint64_t most = clone.extents_total() + crashes_ * limits::kMaxExtentsInFlight;
  Expect(clone.copies_total() <= most,
         fmt::format("{} extents were copied more than once; at most {} may be",
                     clone.copies_total() - clone.extents_total(), most - clone.extents_total()));
  BATON_RETURN_IF_ERROR(volumes_.Verify());
  return Compare();
}

void Drill::CleanUp() {
  if (load_ != nullptr) load_->Stop();
  context_.console.ShowProgress("removing the drill's volumes");
  // Nothing is deleted while a node is missing; a partition ends by itself.
  static_cast<void>(AwaitWhole());
  for (const std::string& command : volumes_.Remove()) report_.add_left(command);
  Expect(report_.left().empty(), "the drill's volumes could not be removed");
}

absl::Status Drill::End() {
  uint64_t longest = 0;
  for (const control::DrillStep& step : report_.steps()) {
    longest = std::max(longest, step.longest_wait_ms());
  }
  Request request;
  control::DrillEnd& end = *request.mutable_drill_end();
  end.set_drill(options_.drill);
  end.set_volume(volumes_.source());
  end.set_result(report_.passed() ? "passed" : "failed: " + report_.failures(0));
  end.set_longest_wait_ms(longest);
  return CallPatiently(*context_.client, request, kAwayLimit).status();
}

absl::StatusOr<ControllerStatus> Drill::Ask() {
  Request request;
  request.mutable_status();
  BATON_ASSIGN_OR_RETURN(const Response response,
                         CallPatiently(*context_.client, request, kAwayLimit));
  return response.status();
}

absl::StatusOr<ControllerStatus> Drill::AwaitOwner(uint64_t epoch) {
  const absl::Duration deadline = BootTime() + kOwnerLimit;
  while (true) {
    BATON_ASSIGN_OR_RETURN(ControllerStatus status, Ask());
    const bool is_known = !status.owner().empty() && !status.proof().empty();
    if (is_known && status.epoch() >= epoch) return status;
    if (BootTime() >= deadline) {
      return Error(absl::StatusCode::kFailedPrecondition, "the pool has no new owner after {}",
                   absl::FormatDuration(kOwnerLimit));
    }
    BATON_RETURN_IF_ERROR(SleepHeeding(kLook));
  }
}

absl::StatusOr<ControllerStatus> Drill::AwaitWhole() {
  const bool was_interrupted = Interrupted();
  const absl::Duration deadline = BootTime() + kWholeLimit;
  while (true) {
    BATON_ASSIGN_OR_RETURN(ControllerStatus status, Ask());
    if (status.healthy() && !status.owner().empty()) return status;
    if (BootTime() >= deadline) {
      return Error(absl::StatusCode::kFailedPrecondition, "still degraded after {}: {}",
                   absl::FormatDuration(kWholeLimit),
                   status.problems().empty() ? "nobody owns the pool" : status.problems(0));
    }
    absl::SleepFor(kLook);
    if (Interrupted() && !was_interrupted) return InterruptedDrill();
  }
}

absl::Status Drill::EndStep(const std::string& name, const ControllerStatus& after,
                            absl::Duration published) {
  BATON_RETURN_IF_ERROR(SleepHeeding(kLoadBeside));
  BATON_RETURN_IF_ERROR(Compare());
  BATON_RETURN_IF_ERROR(CheckClone());
  const absl::Duration longest = load_->TakeLongest();
  const absl::Duration limit = options_.longest_wait.value_or(published);
  control::DrillStep& step = *report_.add_steps();
  step.set_name(name);
  step.set_owner(after.owner());
  step.set_epoch(after.epoch());
  step.set_proof(after.proof());
  step.set_proof_covers(after.proof_covers());
  step.set_longest_wait_ms(Ms(longest));
  step.set_limit_ms(Ms(limit));
  Expect(longest <= limit, fmt::format("{}: a request waited for {} ms; at most {} ms may be", name,
                                       Ms(longest), Ms(limit)));
  BATON_ASSIGN_OR_RETURN(before_, AwaitWhole());
  return absl::OkStatus();
}

absl::Status Drill::CheckClone() {
  BATON_ASSIGN_OR_RETURN(const CloneStatus clone, volumes_.ShowClone(kAwayLimit));
  const RelationState state = StateOf(clone);
  if (state == COPYING || state == COMPLETED) return absl::OkStatus();
  return CheckCompleted(clone);
}

absl::Status Drill::Compare() {
  const absl::Status same = load_->Compare([this](uint64_t done, uint64_t total) {
    context_.console.ShowProgress(fmt::format("comparing every byte: {} %", 100 * done / total));
    return !Interrupted();
  });
  if (same.ok()) {
    report_.set_compared_bytes(report_.compared_bytes() + 2 * options_.size_bytes);
  }
  return same;
}

void Drill::Expect(bool holds, const std::string& failure) {
  if (!holds) report_.add_failures(failure);
}

}  // namespace baton
