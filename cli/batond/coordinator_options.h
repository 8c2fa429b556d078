// How the coordinator is set by the options of the daemon.
#pragma once

#include "cli/config/daemon_options.h"
#include "ha/core/options.h"

namespace baton {

// `certificate_counts`: the death of a process ends its writes to the pool, as on all file systems
// but NFS.
ha::CoordinatorOptions MakeCoordinatorOptions(const DaemonOptions& options,
                                              bool certificate_counts);

}  // namespace baton
