#include "cli/batond/ha_setup.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "engine/base/status.h"
#include "ha/io/port_holder.h"
#include "ha/io/tcp_socket.h"
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

absl::Status CheckPoolAndWatchdog(const DaemonOptions& options, const PoolRecord& pool) {
  if (pool.durability() == DURABILITY_NONE) {
    return absl::FailedPreconditionError(
        "the pool has durability none: its writes stay in this node's memory, so that no other "
        "controller can take over; use it without peers, or make one with durability node");
  }
  const ha::Watchdog::Options& watchdog = options.pair.watchdog;
  return watchdog.device.empty() ? absl::OkStatus() : ha::Watchdog::CheckDevice(watchdog.device);
}

// The address is taken. OK: it will be free when that one gives way, or that cannot be told.
absl::Status JudgeHolders(const ha::PeerAddress& address, const keeper::Begin& begin) {
  const auto serving = static_cast<pid_t>(begin.serving_pid());
  const std::vector<ha::PortHolder> holders = ha::FindPortHolders(address);
  for (const ha::PortHolder& holder : holders) {
    if (serving != 0 && holder.pid == serving) return absl::OkStatus();
  }
  const auto stranger =
      std::ranges::find_if(holders, [](const ha::PortHolder& holder) { return holder.pid != 0; });
  const bool is_of_older_keeper = begin.warm() && serving == 0;
  if (stranger == holders.end() || is_of_older_keeper) {
    spdlog::warn("it is not known who holds {}: it may not be free when this process needs it",
                 address.Endpoint());
    return absl::OkStatus();
  }
  return Error(absl::StatusCode::kFailedPrecondition,
               "cannot listen at {}: another process does (process {}, {}); stop it, or choose "
               "another port",
               address.Endpoint(), stranger->pid, stranger->name);
}

// Nothing is known of a name without asking a name server.
absl::Status CheckListening(const ha::PeerAddress& address, const keeper::Begin& begin) {
  if (address.port == 0 || !address.IsNumber()) return absl::OkStatus();
  BATON_RETURN_IF_ERROR(ha::TryTcp(address.WithPort(0)));
  if (ha::TryTcp(address).ok()) return absl::OkStatus();
  const absl::Status judged = JudgeHolders(address, begin);
  // Whoever held it may have ended between the two looks, and its successor have it now.
  return judged.ok() || ha::TryTcp(address).ok() ? absl::OkStatus() : judged;
}

// Another one takes the mount over in its place, and so must go on with the same.
absl::Status CheckSame(const char* what, const std::string& served, const std::string& wanted) {
  if (served.empty() || served == wanted) return absl::OkStatus();
  return Error(absl::StatusCode::kFailedPrecondition,
               "{} {} is not {}, which this mount was started with: stop and start for that", what,
               wanted, served);
}

}  // namespace

absl::Status CheckBeforeTurn(const DaemonOptions& options, const PoolRecord& pool,
                             const keeper::Begin& begin) {
  const PairOptions& pair = options.pair;
  BATON_RETURN_IF_ERROR(CheckSame("node", begin.facts().node(), options.node));
  BATON_RETURN_IF_ERROR(CheckSame("pool", begin.facts().pool_directory(), options.AbsolutePool()));
  BATON_RETURN_IF_ERROR(CheckKeyFiles(pair));
  BATON_RETURN_IF_ERROR(CheckPoolAndWatchdog(options, pool));
  BATON_ASSIGN_OR_RETURN(const ha::PeerAddress listen, ha::PeerAddress::Parse(pair.network.listen));
  for (const uint16_t port : {listen.port, pair.network.heartbeat_port, pair.network.data_port}) {
    BATON_RETURN_IF_ERROR(CheckListening(listen.WithPort(port), begin));
  }
  return absl::OkStatus();
}

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
  BATON_RETURN_IF_ERROR(CheckPoolAndWatchdog(options, parts.pool));
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
      .pauses = &parts.pauses,
      .coordinator = CoordinatorOptionsOf(options.pair, parts.certificate_counts),
      .network = std::move(network),
      .heartbeat = options.pair.heartbeat,
      .watchdog = options.pair.watchdog,
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
