// What the unit of a controller has to know of its settings.
#pragma once

#include <string>

#include "cli/config/daemon_options.h"

namespace baton {

// A drop-in for the systemd unit of a controller with these settings: it starts after the mounts
// that pool and mount point lie below, and stops before them.
std::string UnitDropin(const DaemonOptions& options);

}  // namespace baton
