#include "cli/batond/ha_setup.h"

#include <utility>

#include "cli/batond/coordinator_options.h"
#include "engine/base/status.h"
#include "ha/node/owner_times.h"

namespace baton {
namespace {

absl::StatusOr<ha::PeerSecurity> SecurityOf(const PairOptions& pair) {
  ha::PeerSecurity security;
  security.insecure = pair.insecure;
  if (pair.insecure) return security;
  BATON_ASSIGN_OR_RETURN(security.keys, ha::ReadKeyFile(pair.key));
  BATON_ASSIGN_OR_RETURN(security.allowed, ha::AllowedKeys::Read(pair.allowed_keys));
  return security;
}

absl::StatusOr<ha::PeerNetwork::Options> NetworkOptionsOf(const DaemonOptions& options,
                                                          const HaParts& parts) {
  ha::PeerNetwork::Options network;
  network.node = options.node;
  network.pool_id = parts.pool.pool_id();
  network.listen = options.pair.listen;
  network.heartbeat_port = options.pair.heartbeat_port;
  network.data_port = options.pair.data_port;
  network.address_cache = options.control + ".addresses";
  for (const PeerOptions& peer : options.pair.peers) network.peers[peer.node] = peer.address;
  BATON_ASSIGN_OR_RETURN(network.security, SecurityOf(options.pair));
  return network;
}

ha::Watchdog::Options WatchdogOf(const PairOptions& pair) {
  return {.device = pair.watchdog_device, .time = pair.watchdog_time};
}

}  // namespace

absl::Status CheckKeyFiles(const PairOptions& pair) {
  if (pair.insecure) return absl::OkStatus();
  BATON_ASSIGN_OR_RETURN(const ha::PeerSecurity security, SecurityOf(pair));
  for (const PeerOptions& peer : pair.peers) {
    if (security.allowed.KeysOf(peer.node).empty()) {
      return Error(absl::StatusCode::kInvalidArgument, "{} has no key of {}", pair.allowed_keys,
                   peer.node);
    }
  }
  return absl::OkStatus();
}

// One that is alone sends nothing, and its predecessor has ended.
absl::Duration DoubtOf(const DaemonOptions& options) {
  if (options.pair.alone()) return absl::ZeroDuration();
  return ha::LongestDoubt(OwnerTimesOf(options.lease, WatchdogOf(options.pair).EffectiveTime()));
}

absl::StatusOr<ha::HaNode::Options> HaNodeOptionsOf(const DaemonOptions& options, HaParts parts) {
  if (parts.pool.durability() == DURABILITY_NONE) {
    return absl::FailedPreconditionError(
        "the pool has durability none: its writes stay in this node's memory, so that no other "
        "controller can take over; use it without peers, or make one with durability node");
  }
  const ha::Watchdog::Options watchdog = WatchdogOf(options.pair);
  if (!watchdog.device.empty()) BATON_RETURN_IF_ERROR(ha::Watchdog::CheckDevice(watchdog.device));
  BATON_ASSIGN_OR_RETURN(ha::PeerNetwork::Options network, NetworkOptionsOf(options, parts));
  return ha::HaNode::Options{
      .runtime = parts.runtime,
      .router = parts.router,
      .local = parts.local,
      .locks = parts.locks,
      .pool = options.pool,
      .pool_id = parts.pool.pool_id(),
      .durability = parts.pool.durability(),
      .identity = parts.identity,
      .lease_times = options.lease,
      .coordinator = MakeCoordinatorOptions(options, parts.certificate_counts),
      .network = std::move(network),
      .heartbeat = options.pair.heartbeat,
      .watchdog = watchdog,
      .fence = [command = options.pair.fence](
                   const std::string& node) { return ha::RunFenceCommand(command, node).status(); },
      .monitor_fence =
          [command = options.pair.fence](const std::string& node) {
            return ha::RunFenceCommand(command, node, ha::FenceAction::kMonitor).status();
          },
      .monitor_fence_every = options.pair.fence.program.empty() ? absl::InfiniteDuration()
                                                                : options.pair.fence.monitor_every};
}

}  // namespace baton
