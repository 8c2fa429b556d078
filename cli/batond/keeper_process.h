// The process that is started as batond: it mounts, and keeps the mount over its controllers.
#pragma once

#include <string>
#include <vector>

#include "cli/config/daemon_options.h"

namespace baton {

// What can be found out before anything is mounted is refused before. The exit code is that of the
// controller that was told to stop; 1: refused, or given up.
int RunKeeper(const DaemonOptions& options, std::vector<std::string> arguments);

}  // namespace baton
