#include <absl/strings/match.h>
#include <absl/strings/numbers.h>
#include <arpa/inet.h>

#include <algorithm>

#include "cli/config/config.h"
#include "engine/base/names.h"
#include "engine/base/status.h"
#include "ha/node/owner_times.h"

namespace baton {
namespace {

// The two parts of "HOST:PORT"; an IPv6 address is in brackets. InvalidArgument.
absl::StatusOr<std::pair<std::string, int>> SplitEndpoint(const std::string& text) {
  const size_t colon = text.rfind(':');
  int port = 0;
  if (colon == std::string::npos || colon == 0 ||
      !absl::SimpleAtoi(text.substr(colon + 1), &port) || port < 1 || port > 65535) {
    return Error(absl::StatusCode::kInvalidArgument, "\"{}\" is no ADDRESS:PORT", text);
  }
  return std::pair(text.substr(0, colon), port);
}

absl::StatusOr<std::string> HostOf(const std::string& address) {
  constexpr std::string_view kScheme = "tcp://";
  if (!address.starts_with(kScheme)) {
    return Error(absl::StatusCode::kInvalidArgument, "\"{}\" is no tcp://ADDRESS:PORT", address);
  }
  BATON_ASSIGN_OR_RETURN(const auto endpoint, SplitEndpoint(address.substr(kScheme.size())));
  return endpoint.first;
}

// Numbers alone: what a name stands for may change.
bool IsLoopback(const std::string& host) {
  in_addr address = {};
  if (::inet_pton(AF_INET, host.c_str(), &address) == 1) {
    return (ntohl(address.s_addr) >> 24) == 127;
  }
  return host == "[::1]";
}

absl::Status CheckAddress(const Config& config, const std::string& path,
                          const std::string& address) {
  const absl::StatusOr<std::string> host = HostOf(address);
  if (!host.ok()) return RefuseSetting(config, path, Message(host.status()));
  if (!config.pair.insecure || IsLoopback(*host)) return absl::OkStatus();
  return RefuseSetting(config, path,
                       address + " is no loopback address: without keys no other is allowed");
}

absl::Status AddPeer(const Config& config, const std::string& text, PairOptions& pair) {
  const size_t equals = text.find('=');
  if (equals == std::string::npos) {
    return RefuseSetting(config, "pair.peers", "\"" + text + "\" is no NAME=tcp://ADDRESS:PORT");
  }
  const std::string node = text.substr(0, equals);
  const std::string address = text.substr(equals + 1);
  const absl::Status name = CheckName(node);
  if (!name.ok()) return RefuseSetting(config, "pair.peers", Message(name));
  if (pair.network.peers.contains(node)) {
    return RefuseSetting(config, "pair.peers", "two peers have the name " + node);
  }
  if (node == config.node) {
    return RefuseSetting(config, "pair.peers", node + " is this controller's own name");
  }
  BATON_RETURN_IF_ERROR(CheckAddress(config, "pair.peers", address));
  pair.network.peers[node] = address;
  pair.coordinator.peers.push_back(node);
  return absl::OkStatus();
}

absl::Status TakePort(const Config& config, const std::string& path, int64_t value,
                      uint16_t& port) {
  if (value < 0 || value > 65535) {
    return RefuseSetting(config, path, "must be a port, or 0 for any that is free");
  }
  port = static_cast<uint16_t>(value);
  return absl::OkStatus();
}

absl::Status InterpretPorts(const Config& config, ha::PeerNetwork::Options& network) {
  BATON_RETURN_IF_ERROR(
      TakePort(config, "pair.heartbeat_port", config.pair.heartbeat_port, network.heartbeat_port));
  BATON_RETURN_IF_ERROR(
      TakePort(config, "pair.data_port", config.pair.data_port, network.data_port));
  if (network.data_port == 0 || network.data_port != network.heartbeat_port) {
    return absl::OkStatus();
  }
  return RefuseSetting(config, "pair.data_port", "must not be the port of the heartbeats");
}

absl::Status InterpretAddresses(const Config& config, PairOptions& pair) {
  pair.insecure = config.pair.insecure;
  pair.network.node = config.node;
  pair.network.listen = config.pair.listen;
  if (!pair.network.listen.empty()) {
    BATON_RETURN_IF_ERROR(CheckAddress(config, "pair.listen", pair.network.listen));
  }
  for (const std::string& peer : config.pair.peers) {
    BATON_RETURN_IF_ERROR(AddPeer(config, peer, pair));
  }
  if (!pair.network.peers.empty() && pair.network.listen.empty()) {
    return RefuseSetting(config, "pair.peers", "needs an address to listen on, too");
  }
  return absl::OkStatus();
}

absl::Status InterpretKeys(const Config& config, PairOptions& pair) {
  pair.key = config.pair.key;
  pair.allowed_keys = config.pair.allowed_keys;
  const bool has_keys = !pair.key.empty() || !pair.allowed_keys.empty();
  if (pair.insecure && has_keys) {
    return RefuseSetting(config, "pair.insecure", "contradicts the keys that are given");
  }
  if (pair.alone() || pair.insecure) return absl::OkStatus();
  constexpr char kNeeded[] = "is needed where other controllers are listened to";
  if (pair.key.empty()) return RefuseSetting(config, "pair.key", kNeeded);
  if (pair.allowed_keys.empty()) return RefuseSetting(config, "pair.allowed_keys", kNeeded);
  return absl::OkStatus();
}

absl::Status InterpretTimes(const Config& config, const LeaseTimes& lease, PairOptions& pair) {
  const Config::Pair& times = config.pair;
  pair.heartbeat = absl::Seconds(times.heartbeat_seconds);
  const absl::Duration suspect_after = absl::Seconds(times.suspect_after_seconds);
  pair.coordinator.suspect_after = suspect_after;
  const double io_timeout = times.io_timeout_seconds;
  pair.io_timeout = io_timeout == 0 ? absl::InfiniteDuration() : absl::Seconds(io_timeout);
  if (!(times.heartbeat_seconds > 0)) {
    return RefuseSetting(config, "pair.heartbeat_seconds", "must be positive");
  }
  if (!(suspect_after >= 3 * pair.heartbeat)) {
    return RefuseSetting(config, "pair.suspect_after_seconds",
                         "must be at least 3 x heartbeat: one may be late or lost");
  }
  if (suspect_after >= lease.takeover) {
    return RefuseSetting(config, "pair.suspect_after_seconds",
                         "must be less than the lease's takeover");
  }
  if (!(pair.io_timeout > lease.takeover)) {
    return RefuseSetting(config, "pair.io_timeout_seconds",
                         "must be 0 or greater than the lease's takeover");
  }
  return absl::OkStatus();
}

absl::Status InterpretWatchdog(const Config& config, const LeaseTimes& lease, PairOptions& pair) {
  pair.watchdog = {.device = config.pair.watchdog_device,
                   .time = absl::Seconds(config.pair.watchdog_seconds)};
  if (pair.watchdog.time != absl::Floor(pair.watchdog.time, absl::Seconds(1))) {
    return RefuseSetting(config, "pair.watchdog_seconds", "must be whole seconds");
  }
  if (pair.watchdog.time >= 3 * lease.renew) return absl::OkStatus();
  return RefuseSetting(config, "pair.watchdog_seconds",
                       "must be at least 3 x the lease's renew: it is fed after each renewal");
}

absl::Status InterpretFence(const Config& config, PairOptions& pair) {
  const Config::Fence& fence = config.fence;
  if (!fence.command.empty() && !fence.command.starts_with('/')) {
    return RefuseSetting(config, "fence.command", "must be an absolute path; no shell is involved");
  }
  if (!(fence.delay_seconds >= 0)) {
    return RefuseSetting(config, "fence.delay_seconds", "must not be negative");
  }
  if (!(fence.timeout_seconds > 0)) {
    return RefuseSetting(config, "fence.timeout_seconds", "must be positive");
  }
  if (!(fence.monitor_seconds >= 0)) {
    return RefuseSetting(config, "fence.monitor_seconds", "must be positive, or 0: never");
  }
  for (const auto& [name, value] : fence.options) {
    // One line of the agent's standard input each.
    if (absl::StrContains(name, '=') || absl::StrContains(name + value, '\n')) {
      return RefuseSetting(config, "fence.options", name + " cannot be passed as NAME=VALUE");
    }
  }
  pair.fence = {.program = fence.command,
                .options = fence.options,
                .delay = absl::Seconds(fence.delay_seconds),
                .timeout = absl::Seconds(fence.timeout_seconds),
                .monitor_every = fence.monitor_seconds == 0 ? absl::InfiniteDuration()
                                                            : absl::Seconds(fence.monitor_seconds)};
  return absl::OkStatus();
}

absl::Status InterpretTakeover(const Config& config, PairOptions& pair) {
  for (const ha::Takeover takeover :
       {ha::Takeover::kAuto, ha::Takeover::kFencedOnly, ha::Takeover::kManual}) {
    if (config.pair.takeover != ha::Name(takeover)) continue;
    pair.coordinator.takeover = takeover;
    const bool fences = !pair.fence.program.empty() || !pair.watchdog.device.empty();
    if (takeover == ha::Takeover::kFencedOnly && !fences) {
      return RefuseSetting(config, "pair.takeover",
                           "fenced-only needs a fence command or a watchdog device");
    }
    return absl::OkStatus();
  }
  return RefuseSetting(config, "pair.takeover", "must be auto, fenced-only or manual");
}

// What the coordinator needs to know of the other options.
void CompleteCoordinator(const DaemonOptions& options, ha::CoordinatorOptions& coordinator) {
  const PairOptions& pair = options.pair;
  coordinator.node = options.node;
  coordinator.has_fence = !pair.fence.program.empty();
  coordinator.fence_delay = pair.fence.delay;
  coordinator.times =
      ha::TimesForCoordinator(OwnerTimesOf(options.lease, pair.watchdog.EffectiveTime()));
  coordinator.look_limit = std::max(coordinator.look_limit, 3 * options.lease.poll);
}

}  // namespace

absl::Status InterpretPair(const Config& config, DaemonOptions& options) {
  PairOptions& pair = options.pair;
  BATON_RETURN_IF_ERROR(InterpretAddresses(config, pair));
  BATON_RETURN_IF_ERROR(InterpretPorts(config, pair.network));
  BATON_RETURN_IF_ERROR(InterpretKeys(config, pair));
  BATON_RETURN_IF_ERROR(InterpretTimes(config, options.lease, pair));
  BATON_RETURN_IF_ERROR(InterpretWatchdog(config, options.lease, pair));
  BATON_RETURN_IF_ERROR(InterpretFence(config, pair));
  BATON_RETURN_IF_ERROR(InterpretTakeover(config, pair));
  CompleteCoordinator(options, pair.coordinator);
  return absl::OkStatus();
}

}  // namespace baton
