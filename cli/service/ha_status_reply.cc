#include "cli/service/ha_status_reply.h"

#include <string>

#include "cli/control/issues.h"
#include "cli/control/names_of.h"
#include "engine/base/proof.h"
#include "engine/base/status.h"

namespace baton {
namespace {

using control::IssueKind;

// What an epoch's data is worth by the way in which it was claimed; docs/pair.md has the long form.
std::string CoverageOf(Proof proof) {
  switch (proof) {
    case Proof::kNoneNeeded:
      return "everything: nobody owned the pool before";
    case Proof::kHandover:
      return "everything: the owner before had ended its writes itself";
    case Proof::kCertificate:
      return "everything: the process before was reaped, and its writes have ended";
    case Proof::kFence:
      return "everything that the fence command covers: the node before is off";
    case Proof::kOperator:
      return "what the operator vouched for: the node before is off";
    case Proof::kWatchdog:
      return "everything that a working hardware watchdog covers";
    case Proof::kLease:
      return "crash, hang, stop and loss of storage; not a virtual machine that was suspended, nor "
             "a write stuck in the kernel of a node that was cut off";
  }
  return "";
}

control::Role RoleOf(const ha::HaStatus& pair) {
  if (pair.is_owner) return control::Role::kOwner;
  return pair.storage.ok() ? control::Role::kStandby : control::Role::kNone;
}

control::Role RoleOf(const ha::PeerStatus& peer) {
  if (!peer.is_heard) return control::Role::kNone;
  return peer.owner ? control::Role::kOwner : control::Role::kStandby;
}

void DescribePeer(const ha::PeerStatus& peer, control::ControllerStatus& status) {
  control::NodeStatus& node = *status.add_nodes();
  const auto problem = [&status](const std::string& text) {
    AddProblem(IssueKind::kNode, text, status);
  };
  node.set_name(peer.name);
  node.set_reachable(peer.is_heard && peer.connected);
  node.set_role(NameOf(RoleOf(peer)));
  node.set_state(peer.is_heard ? peer.state : "");
  node.set_epoch(peer.epoch);
  node.set_problem(peer.is_heard ? peer.health : "");
  if (peer.heard != absl::InfiniteDuration()) {
    node.set_heard_ms(static_cast<uint64_t>(absl::ToInt64Milliseconds(peer.heard)));
  }
  node.set_evicted(peer.evicted);
  if (peer.evicted) {
    problem(fmt::format(
        "node {} is evicted: its requests are refused until its mount has been made anew",
        peer.name));
  }
  if (!peer.trouble.empty()) {
    problem(fmt::format("node {}: {}", peer.name, peer.trouble));
  }
  if (!node.reachable()) {
    problem(fmt::format("node {} is not reachable", peer.name));
  } else if (!node.problem().empty()) {
    problem(fmt::format("node {}: {}", peer.name, node.problem()));
  }
}

IssueKind KindOf(ha::Alarm alarm) {
  switch (alarm) {
    case ha::Alarm::kStorage:
      return IssueKind::kStorage;
    case ha::Alarm::kOwnerSilent:
      return IssueKind::kOwnerSilent;
    case ha::Alarm::kNoProof:
      return IssueKind::kNoProof;
    case ha::Alarm::kFenceFailed:
      return IssueKind::kFenceFailed;
    case ha::Alarm::kFenceUnready:
      return IssueKind::kFenceUnready;
    case ha::Alarm::kTimesDiffer:
      return IssueKind::kTimesDiffer;
    case ha::Alarm::kRecoveryFailed:
      return IssueKind::kRecoveryFailed;
  }
  return IssueKind::kOther;
}

void DescribeTroubles(const ha::HaStatus& pair, control::ControllerStatus& status) {
  if (!pair.storage.ok()) {
    AddProblem(IssueKind::kStorage, "storage: " + Message(pair.storage), status);
  }
  if (!pair.shortage.ok()) {
    AddProblem(IssueKind::kDescriptors, "descriptors: " + Message(pair.shortage), status);
  }
  if (!pair.serves) {
    AddProblem(IssueKind::kNoOwner, "no controller owns the pool at the moment: I/O waits", status);
  }
  for (const ha::action::RaiseAlarm& raised : pair.alarms) {
    AddProblem(KindOf(raised.alarm), fmt::format("alarm: {}: {}", Name(raised.alarm), raised.text),
               status);
  }
}

void DescribeView(const ha::HaStatus& pair, control::ControllerStatus& status) {
  if (!pair.lag) return;
  status.set_view_sequence(pair.lag->sequence);
  status.set_view_behind(pair.lag->sequences);
  for (const WarmStatus& warm : pair.warm) {
    if (!warm.registered) continue;
    control::WarmClone& clone = *status.add_warm();
    clone.set_id(warm.id);
    clone.set_extents_copied(warm.extents_copied);
    clone.set_extents_total(warm.extents_total);
    clone.set_sequence(warm.sequence);
  }
}

void DescribeForecasts(const ha::HaStatus& pair, control::ControllerStatus& status) {
  for (const ha::TakeoverForecast& each : pair.forecasts) {
    control::TakeoverForecast& forecast = *status.add_takeover_forecast();
    forecast.set_loss(Name(each.loss));
    if (!each.proof) continue;
    forecast.set_proof(Name(*each.proof));
    forecast.set_wait_ms(static_cast<uint64_t>(absl::ToInt64Milliseconds(each.wait)));
  }
}

void DescribeRefused(const ha::PeerCounters& counters, control::RefusedMessages& refused) {
  refused.set_keys(counters.refused_keys);
  refused.set_handshakes(counters.failed_handshakes);
  refused.set_pools(counters.wrong_pool);
  refused.set_protocols(counters.wrong_protocol);
  refused.set_names(counters.wrong_name);
  refused.set_replayed(counters.replayed);
  refused.set_garbled(counters.garbled);
}

}  // namespace

void DescribeHa(const ha::HaStatus& pair, control::ControllerStatus& status) {
  status.set_role(NameOf(RoleOf(pair)));
  status.set_owner(pair.serves ? pair.owner : "");
  status.set_epoch(pair.epoch);
  if (pair.proof) {
    status.set_proof(Name(*pair.proof));
    status.set_proof_covers(CoverageOf(*pair.proof));
  }
  status.set_takeover(pair.takeover);
  status.set_lease_age_ms(static_cast<uint64_t>(absl::ToInt64Milliseconds(pair.lease_age)));
  control::NodeStatus& self = *status.add_nodes();
  self.set_name(status.node());
  self.set_role(status.role());
  self.set_reachable(true);
  self.set_state(pair.state);
  self.set_epoch(pair.epoch);
  if (!pair.storage.ok()) self.set_problem(Message(pair.storage));
  DescribeTroubles(pair, status);
  for (const ha::PeerStatus& peer : pair.peers) DescribePeer(peer, status);
  DescribeView(pair, status);
  DescribeForecasts(pair, status);
  DescribeRefused(pair.counters, *status.mutable_refused());
}

}  // namespace baton
