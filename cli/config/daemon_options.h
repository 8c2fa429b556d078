// The command line of batond.
#pragma once

#include <spdlog/common.h>

#include <string>
#include <variant>
#include <vector>

#include "cli/keeper/keeper_settings.h"
#include "cli/service/space_watch.h"
#include "engine/lease/lease_times.h"
#include "fs/attributes.h"
#include "ha/core/events.h"
#include "ha/node/fence_command.h"

namespace baton {

struct PeerOptions {
  std::string node;
  std::string address;  // tcp://ADDRESS:PORT
};

struct PairOptions {
  std::string listen;           // tcp://ADDRESS:PORT; empty: no other controller is listened to
  uint16_t heartbeat_port = 0;  // of the same address; 0: any that is free
  uint16_t data_port = 0;
  std::vector<PeerOptions> peers;  // empty: this controller is alone
  bool insecure = false;           // no keys; then all addresses are loopback ones
  std::string key;                 // the file with this node's secret key
  std::string allowed_keys;        // the file with the public keys of the peers
  ha::Takeover takeover = ha::Takeover::kAuto;
  ha::FenceCommand fence;
  absl::Duration heartbeat = absl::Milliseconds(100);
  absl::Duration suspect_after = absl::Milliseconds(500);
  std::string watchdog_device;  // fed after each renewal of the lease; empty: none
  absl::Duration watchdog_time = absl::Seconds(5);  // until it resets the node
  // How long I/O may wait for an owner.
  absl::Duration io_timeout = absl::InfiniteDuration();

  bool alone() const { return peers.empty() && listen.empty(); }
};

struct DaemonOptions {
  std::string pool;
  std::string node;
  std::string mount;
  std::string control;
  spdlog::level::level_enum log_level = spdlog::level::info;
  fs::Ownership ownership;
  absl::Duration watchdog = keeper::kDefaultWatchdog;  // zero: off
  absl::Duration give_up_after = absl::InfiniteDuration();
  LeaseTimes lease;
  SpaceLevels space;
  PairOptions pair;
};

// Why there are no options: the process ends with `exit_code`, and everything has been said.
struct DaemonUsage {
  int exit_code = 0;
};

// Says what is wrong with the command line, or prints the help that it asks for.
std::variant<DaemonOptions, DaemonUsage> ParseDaemonOptions(int argc, char** argv);

}  // namespace baton
