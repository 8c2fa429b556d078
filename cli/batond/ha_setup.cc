#include "cli/batond/ha_setup.h"

#include <utility>

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
  ha::PeerNetwork::Options network = options.pair.network;
  network.pool_id = parts.pool.pool_id();
  network.address_cache = options.control + ".addresses";
  BATON_ASSIGN_OR_RETURN(network.security, SecurityOf(options.pair));
  return network;
}

ha::CoordinatorOptions CoordinatorOptionsOf(const PairOptions& pair, bool certificate_counts) {
  ha::CoordinatorOptions coordinator = pair.coordinator;
  coordinator.certificate_counts = certificate_counts;
  return coordinator;
}

}  // namespace

absl::Status CheckKeyFiles(const PairOptions& pair) {
  if (pair.insecure) return absl::OkStatus();
  BATON_ASSIGN_OR_RETURN(const ha::PeerSecurity security, SecurityOf(pair));
  for (const auto& [peer, address] : pair.network.peers) {
    if (security.allowed.KeysOf(peer).empty()) {
      return Error(absl::StatusCode::kInvalidArgument, "{} has no key of {}", pair.allowed_keys,
                   peer);
    }
  }
  return absl::OkStatus();
}

// One that is alone sends nothing, and its predecessor has ended.
absl::Duration DoubtOf(const DaemonOptions& options) {
  if (options.pair.alone()) return absl::ZeroDuration();
  return ha::LongestDoubt(OwnerTimesOf(options.lease, options.pair.watchdog.EffectiveTime()));
}

absl::StatusOr<ha::HaNode::Options> HaNodeOptionsOf(const DaemonOptions& options, HaParts parts) {
  if (parts.pool.durability() == DURABILITY_NONE) {
    return absl::FailedPreconditionError(
        "the pool has durability none: its writes stay in this node's memory, so that no other "
        "controller can take over; use it without peers, or make one with durability node");
  }
  const ha::Watchdog::Options& watchdog = options.pair.watchdog;
  if (!watchdog.device.empty()) BATON_RETURN_IF_ERROR(ha::Watchdog::CheckDevice(watchdog.device));
  BATON_ASSIGN_OR_RETURN(ha::PeerNetwork::Options network, NetworkOptionsOf(options, parts));
  return ha::HaNode::Options{
      .runtime = parts.runtime,
      .router = parts.router,
      .local = parts.local,
      .locks = parts.locks,
      .services = parts.services,
      .mount = parts.mount,
      .pool = options.pool,
      .pool_id = parts.pool.pool_id(),
      .durability = parts.pool.durability(),
      .identity = parts.identity,
      .lease_times = options.lease,
      .coordinator = CoordinatorOptionsOf(options.pair, parts.certificate_counts),
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
                                                                : options.pair.fence.monitor_every,
      .on_space = {},
      .on_fault = {}};
}

}  // namespace baton
