// What `baton doctor` does: looks whether this machine, its storage and the settings are fit for a
// controller.
#pragma once

#include "cli/config/daemon_options.h"

namespace baton {

// Prints a line a check to standard output, or a Diagnosis in JSON. Each check has its time, and
// one that hangs is left alone, so this always ends. The exit code: 1 where one has failed.
int ExamineMachine(const DaemonOptions& options);

}  // namespace baton
