// What `baton doctor` asks of the settings, and of what they name. Each may hang with that.
#pragma once

#include <vector>

#include "cli/config/daemon_options.h"
#include "engine/base/finding.h"

namespace baton {

// pool, and what ProbeStorage finds in its directory
std::vector<Finding> CheckPool(const DaemonOptions& options);
// mount
std::vector<Finding> CheckMountPoint(const DaemonOptions& options);
// keys: their modes and owners, and that there is one of each peer
std::vector<Finding> CheckKeys(const DaemonOptions& options);
// ports: those that are set, free or held by a batond
std::vector<Finding> CheckPorts(const DaemonOptions& options);
// fence: whether the command could turn off each peer
std::vector<Finding> CheckFence(const DaemonOptions& options);

}  // namespace baton
