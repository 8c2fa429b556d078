// A pair as the command line and the configuration describe it.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>

#include "cli/config/daemon_options.h"
#include "cli/keeper/keeper.pb.h"
#include "engine/base/model.pb.h"
#include "ha/node/ha_node.h"

namespace baton {

struct HaParts {
  Runtime& runtime;
  ha::Router& router;
  ha::VolumeServer& local;
  ha::LockServer& locks;
  ha::EpochServices& services;
  ha::MountEvents& mount;
  const PoolRecord& pool;
  const NodeIdentity& identity;
  PauseMeter& pauses;
  bool certificate_counts = false;
};

// Whether the key files can be used as they are now, and have a key of each peer.
absl::Status CheckKeyFiles(const PairOptions& pair);

// Whether a controller with these settings could take its turn: the key files, the watchdog, the
// pool, and the addresses to listen at, which are free or held by the controller that serves.
// For one that waits while another one serves: what is wrong is said before that one gives way.
absl::Status CheckBeforeTurn(const DaemonOptions& options, const PoolRecord& pool,
                             const keeper::Begin& begin);

// For how long a host's change that was sent to an owner, and had no answer, may still take effect.
absl::Duration DoubtOf(const DaemonOptions& options);

// Reads the key files. `on_space` and `on_fault` are left to the caller. REQUIRES: options.pair is
// not alone.
absl::StatusOr<ha::HaNode::Options> HaNodeOptionsOf(const DaemonOptions& options, HaParts parts);

}  // namespace baton
