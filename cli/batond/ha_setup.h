// A pair as the command line and the configuration describe it.
#pragma once

#include <absl/status/statusor.h>

#include "cli/config/daemon_options.h"
#include "ha/node/ha_node.h"
#include "engine/base/model.pb.h"

namespace baton {

struct PairParts {
  Runtime& runtime;
  Router& router;
  VolumeServer& local;
  LockServer& locks;
  const PoolRecord& pool;
  const NodeIdentity& identity;
  bool certificate_counts = false;
};

// Whether the key files can be used as they are now, and have a key of each peer.
absl::Status CheckKeyFiles(const PairOptions& pair);

// For how long a host's change that was sent to an owner, and had no answer, may still take effect.
absl::Duration DoubtOf(const DaemonOptions& options);

// Reads the key files. REQUIRES: options.pair is not alone.
absl::StatusOr<Pair::Options> PairOptionsOf(const DaemonOptions& options, PairParts parts);

}  // namespace baton
