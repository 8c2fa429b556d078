// What `baton doctor` asks of the machine itself.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/config/daemon_options.h"
#include "engine/base/finding.h"

namespace baton {

// kernel, fuse, limits, clock, hypervisor
std::vector<Finding> CheckMachine(const DaemonOptions& options);

// Of a virtual machine whose pause nobody would notice in time with these settings: a line that
// says so and what to do.
std::optional<std::string> WarnOfPauses(const PairOptions& pair);

}  // namespace baton
