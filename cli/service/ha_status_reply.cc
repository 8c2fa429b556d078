#include "cli/service/ha_status_reply.h"

#include <string>

#include "engine/base/status.h"

namespace baton {
namespace {

constexpr absl::Duration kHeard = absl::Seconds(1);

// What an epoch's data is worth by the way in which it was claimed; docs/pair.md has the long form.
std::string CoverageOf(const std::string& proof) {
  if (proof == "none needed") return "everything: nobody owned the pool before";
  if (proof == "handover") return "everything: the owner before had ended its writes itself";
  if (proof == "certificate") return "everything: the process before was reaped, and its writes";
  if (proof == "fence") return "everything that the fence command covers: the node before is off";
  if (proof == "operator") return "what the operator vouched for: the node before is off";
  if (proof == "watchdog") return "everything that a working hardware watchdog covers";
  if (proof == "lease") {
    return "crash, hang, stop and loss of storage; not a virtual machine that was suspended, nor a "
           "write stuck in the kernel of a node that was cut off";
  }
  return "";
}

void DescribePeer(const ha::PeerStatus& peer, control::ControllerStatus& status) {
  control::NodeStatus& node = *status.add_nodes();
  const bool is_heard = peer.heard < kHeard;
  node.set_name(peer.name);
  node.set_reachable(is_heard && peer.connected);
  node.set_role(!is_heard ? "none" : peer.owner ? "owner" : "standby");
  node.set_state(is_heard ? peer.state : "");
  node.set_epoch(peer.epoch);
  node.set_problem(is_heard ? peer.health : "");
  if (peer.heard != absl::InfiniteDuration()) {
    node.set_heard_ms(static_cast<uint64_t>(absl::ToInt64Milliseconds(peer.heard)));
  }
  node.set_evicted(peer.evicted);
  if (peer.evicted) {
    status.add_problems(fmt::format(
        "node {} is evicted: its requests are refused until its mount has been made anew",
        peer.name));
  }
  if (!node.reachable()) {
    status.add_problems(fmt::format("node {} is not reachable", peer.name));
  } else if (!node.problem().empty()) {
    status.add_problems(fmt::format("node {}: {}", peer.name, node.problem()));
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
  status.set_role(pair.is_owner ? "owner" : pair.storage.ok() ? "standby" : "none");
  status.set_owner(pair.serves ? pair.owner : "");
  status.set_epoch(pair.epoch);
  status.set_proof(pair.proof);
  status.set_proof_covers(CoverageOf(pair.proof));
  status.set_takeover(pair.takeover);
  status.set_lease_age_ms(static_cast<uint64_t>(absl::ToInt64Milliseconds(pair.lease_age)));
  control::NodeStatus& self = *status.add_nodes();
  self.set_name(status.node());
  self.set_role(status.role());
  self.set_reachable(true);
  self.set_state(pair.state);
  self.set_epoch(pair.epoch);
  if (!pair.storage.ok()) self.set_problem(Message(pair.storage));
  if (!pair.storage.ok()) status.add_problems("storage: " + Message(pair.storage));
  if (!pair.shortage.ok()) status.add_problems("descriptors: " + Message(pair.shortage));
  if (!pair.serves) status.add_problems("no controller owns the pool at the moment: I/O waits");
  for (const std::string& alarm : pair.alarms) status.add_problems("alarm: " + alarm);
  for (const ha::PeerStatus& peer : pair.peers) DescribePeer(peer, status);
  DescribeView(pair, status);
  DescribeRefused(pair.counters, *status.mutable_refused());
}

}  // namespace baton
