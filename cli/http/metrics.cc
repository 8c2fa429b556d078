#include "cli/http/metrics.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "cli/control/issues.h"
#include "cli/control/names_of.h"
#include "cli/http/http_settings.h"
#include "cli/http/metric_families.h"
#include "engine/base/clone_state.h"
#include "engine/base/names.h"

namespace baton::http {
namespace {

using control::ControllerStatus;
using control::NodeStatus;

constexpr double kMillisecondsPerSecond = 1e3;
constexpr double kMicrosecondsPerSecond = 1e6;

template <typename Number>
double Double(Number value) {
  return static_cast<double>(value);
}

void AddController(const ControllerStatus& status, MetricFamilies& out) {
  out.Gauge("baton_build_info", "The version of batond that runs; always 1.")
      .Add(1, {{"version", status.version()}});
  out.Gauge("baton_controller_info", "Which node of which pool this is; always 1.")
      .Add(1, {{"node", status.node()}, {"pool_id", status.pool_id()}});
  out.Gauge("baton_controller_uptime_seconds", "Since the controller process was started.")
      .Add(Double(status.uptime_seconds()));
  out.Counter("baton_controller_restarts_total",
              "Controllers that this mount has seen before this one.")
      .Add(Double(status.restarts()));
  out.Gauge("baton_keeper_alive",
            "1 while the process that mounts and restarts controllers is there.")
      .Add(status.keeper_pid() != 0 ? 1 : 0);
  out.Gauge("baton_healthy", "1 while `baton status` says healthy.").Add(status.healthy() ? 1 : 0);
}

void AddProblems(const ControllerStatus& status, MetricFamilies& out) {
  const auto add = [&](bool warnings) {
    std::map<std::string, double> counts;
    for (const std::string& kind : control::IssueKindNames()) counts[kind] = 0;
    for (const control::Issue& issue : status.issues()) {
      if (issue.warning() == warnings) ++counts[issue.kind()];
    }
    for (const auto& [kind, count] : counts) out.Add(count, {{"kind", kind}});
  };
  out.Gauge("baton_problems", "What makes this controller degraded, by kind.");
  add(/*warnings=*/false);
  out.Gauge("baton_warnings", "What will make this controller degraded, by kind.");
  add(/*warnings=*/true);
}

void AddOwnership(const ControllerStatus& status, MetricFamilies& out) {
  using control::Role;
  out.Gauge("baton_role", "1 for the part that this controller has in its pool.")
      .AddStates("role", {NameOf(Role::kOwner), NameOf(Role::kStandby), NameOf(Role::kNone)},
                 status.role());
  out.Gauge("baton_epoch", "The newest epoch that this controller knows.")
      .Add(Double(status.epoch()));
  out.Gauge("baton_epoch_proof_info", "By which proof the epoch was claimed; always 1.");
  if (!status.proof().empty()) out.Add(1, {{"proof", status.proof()}});
  const bool has_peers = !status.takeover().empty();
  out.Gauge("baton_lease_age_seconds",
            "Since the lease record was seen to change, on nodes with peers.");
  if (has_peers) out.Add(Double(status.lease_age_ms()) / kMillisecondsPerSecond);
  out.Gauge("baton_view_behind_writes",
            "Metadata writes of the owner that a standby has yet to follow.");
  if (has_peers && status.role() == NameOf(Role::kStandby)) out.Add(Double(status.view_behind()));
}

void AddForecasts(const ControllerStatus& status, MetricFamilies& out) {
  out.Gauge("baton_takeover_forecast_seconds",
            "What programs would wait if the owner were lost now; none: nobody would take over.");
  for (const control::TakeoverForecast& forecast : status.takeover_forecast()) {
    if (forecast.proof().empty()) continue;
    out.Add(Double(forecast.wait_ms()) / kMillisecondsPerSecond,
            {{"loss", forecast.loss()}, {"proof", forecast.proof()}});
  }
}

template <typename Value>
void AddForPeers(const ControllerStatus& status, MetricFamilies& out, const Value& value) {
  for (const NodeStatus& node : status.nodes()) {
    if (node.name() == status.node()) continue;
    if (const std::optional<double> found = value(node)) out.Add(*found, {{"peer", node.name()}});
  }
}

void AddPeers(const ControllerStatus& status, MetricFamilies& out) {
  out.Gauge("baton_peer_reachable", "1 while the peer is heard and can be called.");
  AddForPeers(status, out, [](const NodeStatus& node) -> std::optional<double> {
    return node.reachable() ? 1 : 0;
  });
  out.Gauge("baton_peer_heartbeat_age_seconds",
            "Since the peer's last heartbeat; none: never heard.");
  AddForPeers(status, out, [](const NodeStatus& node) -> std::optional<double> {
    if (node.heard_ms() == 0 && !node.reachable()) return std::nullopt;
    return Double(node.heard_ms()) / kMillisecondsPerSecond;
  });
  out.Gauge("baton_peer_evicted", "1 while requests of the peer's mount are refused for good.");
  AddForPeers(status, out, [](const NodeStatus& node) -> std::optional<double> {
    return node.evicted() ? 1 : 0;
  });
  const control::RefusedMessages& refused = status.refused();
  out.Counter("baton_messages_refused_total",
              "Messages of strangers and of peers that were refused.")
      .Add(Double(refused.keys()), {{"reason", "key"}})
      .Add(Double(refused.handshakes()), {{"reason", "handshake"}})
      .Add(Double(refused.pools()), {{"reason", "pool"}})
      .Add(Double(refused.protocols()), {{"reason", "protocol"}})
      .Add(Double(refused.names()), {{"reason", "name"}})
      .Add(Double(refused.replayed()), {{"reason", "replayed"}})
      .Add(Double(refused.garbled()), {{"reason", "garbled"}});
}

void AddSpace(const ControllerStatus& status, MetricFamilies& out) {
  const bool is_known = status.pool_total_bytes() != 0;
  out.Gauge("baton_pool_size_bytes", "Of the file system that the pool lies on.");
  if (is_known) out.Add(Double(status.pool_total_bytes()));
  out.Gauge("baton_pool_free_bytes", "Of that, what is free, as last measured.");
  if (is_known) out.Add(Double(status.pool_free_bytes()));
  out.Gauge("baton_pool_reserve_bytes", "What the pool keeps back for the next start.");
  if (is_known) out.Add(Double(status.reserve_bytes()));
  out.Gauge("baton_pool_full_seconds",
            "Until nothing is free, at the present pace; none: it does not fill.");
  if (status.pool_full_in_seconds() != 0) out.Add(Double(status.pool_full_in_seconds()));
}

void AddWriteLog(const ControllerStatus& status, MetricFamilies& out) {
  const bool is_owner = status.has_write_log();
  const WriteLogStatus& log = status.write_log();
  out.Gauge("baton_write_log_room_bytes", "Room of the write log for entries, of the owner.");
  if (is_owner) out.Add(Double(log.room_bytes()));
  out.Gauge("baton_write_log_used_bytes", "Of that, by entries that are not drained.");
  if (is_owner) out.Add(Double(log.used_bytes()));
  out.Gauge("baton_write_log_logged_bytes", "Content of volumes that only the write log has.");
  if (is_owner) out.Add(Double(log.logged_bytes()));
  out.Gauge("baton_write_log_stuck", "1 while storage does not take what is drained.");
  if (is_owner) out.Add(log.problem().empty() ? 0 : 1);
}

// ---- clones ----

bool IsUnderWay(const CloneStatus& clone) {
  const RelationState state = StateOf(clone);
  return state == ACTIVATED || state == COPYING || state == PAUSED || state == FAILED;
}

// Those under way first, then the newest; as many as have series of their own.
std::vector<const CloneStatus*> ClonesShown(const ControllerStatus& status) {
  std::vector<const CloneStatus*> clones;
  for (const CloneStatus& clone : status.clones()) clones.push_back(&clone);
  std::ranges::sort(clones, [](const CloneStatus* a, const CloneStatus* b) {
    return std::pair(!IsUnderWay(*a), -Double(a->id())) <
           std::pair(!IsUnderWay(*b), -Double(b->id()));
  });
  clones.resize(std::min(clones.size(), kClonesShown));
  return clones;
}

MetricLabels LabelsOf(const CloneStatus& clone) {
  return {{"clone", fmt::format("{}", clone.id())},
          {"source", clone.source()},
          {"target", clone.target()}};
}

MetricLabels With(MetricLabels labels, const std::string& name, const std::string& value) {
  labels.push_back({name, value});
  return labels;
}

// What was copied more than once, because a crash or an error came in between.
double CopiesBeyond(const CloneStatus& clone) {
  const uint64_t begun = clone.extents_total() - clone.extents_pending();
  return Double(clone.copies_total() > begun ? clone.copies_total() - begun : 0);
}

void AddCloneStates(const ControllerStatus& status, MetricFamilies& out) {
  std::map<std::string, double> counts;
  for (const RelationState state :
       {CREATED, ACTIVATED, COPYING, PAUSED, COMPLETED, STOPPED, FAILED}) {
    counts[Name(state)] = 0;
  }
  for (const CloneStatus& clone : status.clones()) ++counts[clone.state()];
  out.Gauge("baton_clones", "Clones of the pool, by state.");
  for (const auto& [state, count] : counts) out.Add(count, {{"state", state}});
  out.Gauge("baton_clones_hidden", "Clones that have no series of their own here.")
      .Add(Double(status.clones_size()) + Double(status.clones_left_out()) -
           Double(std::min<size_t>(static_cast<size_t>(status.clones_size()), kClonesShown)));
}

void AddCloneExtents(const std::vector<const CloneStatus*>& clones, MetricFamilies& out) {
  out.Gauge("baton_clone_info", "Each clone with its state; always 1.");
  for (const CloneStatus* clone : clones) {
    out.Add(1, With(LabelsOf(*clone), "state", clone->state()));
  }
  out.Gauge("baton_clone_extents", "Extents of a clone, by state.");
  for (const CloneStatus* clone : clones) {
    const MetricLabels labels = LabelsOf(*clone);
    out.Add(Double(clone->extents_pending()), With(labels, "state", "pending"));
    out.Add(Double(clone->extents_copying()), With(labels, "state", "copying"));
    out.Add(Double(clone->extents_landing()), With(labels, "state", "landing"));
    out.Add(Double(clone->extents_copied()), With(labels, "state", "copied"));
  }
}

template <typename Value>
void AddForClones(const std::vector<const CloneStatus*>& clones, MetricFamilies& out,
                  const Value& value) {
  for (const CloneStatus* clone : clones) {
    const std::optional<double> found = value(*clone);
    if (found) out.Add(*found, LabelsOf(*clone));
  }
}

std::optional<double> UnlessZero(uint64_t value, double per_unit = 1) {
  return value == 0 ? std::nullopt : std::optional(Double(value) / per_unit);
}

void AddCloneCopies(const std::vector<const CloneStatus*>& clones, MetricFamilies& out) {
  out.Gauge("baton_clone_size_bytes", "Of the source of a clone.");
  AddForClones(clones, out,
               [](const CloneStatus& clone) { return std::optional(Double(clone.size_bytes())); });
  out.Counter("baton_clone_copies_total", "Copies of extents that a clone has made.");
  AddForClones(clones, out, [](const CloneStatus& clone) {
    return std::optional(Double(clone.copies_total()));
  });
  out.Gauge("baton_clone_copies_beyond_extents", "Copies that a clone made more than once.");
  AddForClones(clones, out,
               [](const CloneStatus& clone) { return std::optional(CopiesBeyond(clone)); });
}

void AddClonePace(const std::vector<const CloneStatus*>& clones,
                  const std::map<uint64_t, CopyRate>& rates, MetricFamilies& out) {
  const auto rate_of = [&rates](const CloneStatus& clone) -> std::optional<CopyRate> {
    const auto found = rates.find(clone.id());
    return found == rates.end() ? std::nullopt : std::optional(found->second);
  };
  out.Gauge("baton_clone_copy_bytes_per_second",
            "How fast a clone was copied, as far as was seen.");
  AddForClones(clones, out, [&](const CloneStatus& clone) -> std::optional<double> {
    const std::optional<CopyRate> rate = rate_of(clone);
    return rate ? std::optional(rate->bytes_per_second) : std::nullopt;
  });
  out.Gauge("baton_clone_left_seconds",
            "Until it is complete, at that pace; none: it does not advance.");
  AddForClones(clones, out, [&](const CloneStatus& clone) -> std::optional<double> {
    const std::optional<CopyRate> rate = rate_of(clone);
    return rate ? rate->seconds_left : std::nullopt;
  });
  out.Gauge("baton_clone_rate_limit_bytes_per_second", "The rate that was set; none: no limit.");
  AddForClones(clones, out,
               [](const CloneStatus& clone) { return UnlessZero(clone.rate_bytes_per_second()); });
  out.Gauge("baton_clone_latency_target_seconds",
            "The latency target that was set; none: there is none.");
  AddForClones(clones, out, [](const CloneStatus& clone) {
    return UnlessZero(clone.latency_target_us(), kMicrosecondsPerSecond);
  });
  out.Gauge("baton_clone_host_latency_p99_seconds",
            "With a latency target: 99 of 100 requests of the last second took less.");
  AddForClones(clones, out, [](const CloneStatus& clone) {
    return UnlessZero(clone.host_p99_us(), kMicrosecondsPerSecond);
  });
}

// ---- hosts ----

void AddVolumes(const Observation& observation, MetricFamilies& out) {
  out.Gauge("baton_volumes", "Volumes of the pool; none: they are not known here.");
  if (observation.volumes) out.Add(Double(*observation.volumes));
  const auto add = [&](uint64_t fs::IoCount::*part) {
    for (const auto& [name, kinds] : observation.volume_counts) {
      for (size_t kind = 0; kind < fs::kIoKinds; ++kind) {
        if (part == &fs::IoCount::bytes && kind == static_cast<size_t>(fs::IoKind::kFlush))
          continue;
        out.Add(Double(kinds[kind].*part), {{"kind", fs::kIoNames[kind]}, {"volume", name}});
      }
    }
  };
  out.Counter("baton_host_requests_total", "Requests of programs that this mount has answered.");
  add(&fs::IoCount::requests);
  out.Counter("baton_host_bytes_total",
              "Bytes that were read, written and discarded through this mount.");
  add(&fs::IoCount::bytes);
}

void AddHosts(const Observation& observation, MetricFamilies& out) {
  const std::optional<fs::MountIo>& io = observation.io;
  out.Histogram("baton_host_request_duration_seconds",
                "What requests of programs took, from the thread that serves them to the answer.");
  for (size_t kind = 0; io && kind < fs::kIoKinds; ++kind) {
    out.Add(io->kinds[kind], {{"kind", fs::kIoNames[kind]}});
  }
  out.Counter("baton_host_request_errors_total", "Of the requests, those that got an error.");
  for (size_t kind = 0; io && kind < fs::kIoKinds; ++kind) {
    out.Add(Double(io->kinds[kind].errors), {{"kind", fs::kIoNames[kind]}});
  }
  out.Gauge("baton_host_requests_waiting", "Requests that wait for an owner.");
  if (io) out.Add(Double(io->waiting));
  out.Gauge("baton_last_stall_seconds",
            "How long requests waited at the last change of owner, and at the last restart.");
  if (io) out.Add(absl::ToDoubleSeconds(io->last_stall), {{"cause", "owner"}});
  out.Add(Double(observation.status.first_answer_after_ms()) / kMillisecondsPerSecond,
          {{"cause", "restart"}});
}

void AddFirstWrites(const Observation& observation, MetricFamilies& out) {
  out.Histogram("baton_host_first_write_duration_seconds",
                "What writes took that met an extent which was not copied yet, of the owner.");
  if (!observation.first_writes) return;
  out.Add(observation.first_writes->logged, {{"way", "log"}});
  out.Add(observation.first_writes->preserved, {{"way", "preserve"}});
}

}  // namespace

std::string MetricsText(const Observation& observation) {
  const ControllerStatus& status = observation.status;
  MetricFamilies out;
  AddController(status, out);
  AddProblems(status, out);
  AddOwnership(status, out);
  AddForecasts(status, out);
  AddPeers(status, out);
  AddSpace(status, out);
  AddWriteLog(status, out);
  const std::vector<const CloneStatus*> clones = ClonesShown(status);
  AddCloneStates(status, out);
  AddCloneExtents(clones, out);
  AddCloneCopies(clones, out);
  AddClonePace(clones, observation.rates, out);
  AddVolumes(observation, out);
  AddHosts(observation, out);
  AddFirstWrites(observation, out);
  return out.Text();
}

}  // namespace baton::http
