// The process that serves: started, and started again, by a keeper.
#pragma once

#include "cli/config/daemon_options.h"

namespace baton {

// 0: stopped or drained as it was told to; 1: refused, or ended by a fault.
int RunController(const DaemonOptions& options);

}  // namespace baton
