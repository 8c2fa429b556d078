// The command line of batond.
#pragma once

#include <spdlog/common.h>
#include <sys/types.h>

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "cli/keeper/keeper_settings.h"
#include "cli/service/space_watch.h"
#include "engine/lease/lease_times.h"
#include "fs/attributes.h"
#include "fs/mount_settings.h"
#include "ha/core/options.h"
#include "ha/io/peer_address.h"
#include "ha/io/peer_network.h"
#include "ha/node/fence_command.h"
#include "ha/node/watchdog.h"

namespace baton {

// The other controllers of the pool. What belongs to a part of the controller stands in that part's
// own options, with its default.
struct PairOptions {
  // Of these: listen (empty: no other controller is listened to), the ports, and the peers.
  ha::PeerNetwork::Options network;
  bool insecure = false;     // no keys; then all addresses are loopback ones
  std::string key;           // the file with this node's secret key
  std::string allowed_keys;  // the file with the public keys of the peers
  // All but certificate_counts, which depends on the pool's storage.
  ha::CoordinatorOptions coordinator;
  ha::FenceCommand fence;
  ha::Watchdog::Options watchdog;
  absl::Duration heartbeat = absl::Milliseconds(100);
  // How long I/O may wait for an owner.
  absl::Duration io_timeout = absl::InfiniteDuration();

  bool alone() const { return network.peers.empty() && network.listen.empty(); }
};

struct DaemonOptions {
  // A pool that is only drained (`baton pool drain`); nothing else counts then.
  std::string drain;
  // "text" or "json": this machine is only looked at (`baton doctor`). Then nothing need be given,
  // and what is wrong with the settings is here. Empty: no.
  std::string doctor;
  std::string config_file;
  std::string config_problem;
  std::string pool;
  // The directory, absolute and in its shortest form.
  std::string AbsolutePool() const;
  std::string node;
  std::string mount;
  std::string control;
  std::optional<gid_t> control_group;  // of the control socket; nullopt: that of this process
  spdlog::level::level_enum log_level = spdlog::level::info;
  fs::Ownership ownership;
  // A controller that gives no sign of life for so long is replaced; zero: never.
  absl::Duration liveness_timeout = keeper::kDefaultLivenessTimeout;
  absl::Duration give_up_after = absl::InfiniteDuration();
  LeaseTimes lease;
  SpaceLevels space;
  PairOptions pair;
  std::optional<ha::PeerAddress> http;     // where HTTP is served; missing: nowhere
  absl::Duration slow = fs::kSlowRequest;  // a request that takes so long is kept for `trace slow`
};

// Why there are no options: the process ends with `exit_code`, and everything has been said.
struct DaemonUsage {
  int exit_code = 0;
  std::string problem;  // that was said; empty: none, but the help was asked for
};

// Says what is wrong with the command line, or prints the help that it asks for.
std::variant<DaemonOptions, DaemonUsage> ParseDaemonOptions(int argc, char** argv);

}  // namespace baton
