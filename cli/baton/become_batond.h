// Commands that need the engine, which is in batond.
#pragma once

#include <absl/status/statusor.h>

#include <string>
#include <vector>

#include "cli/control/exit_code.h"

namespace baton {

// Goes on as the `batond` beside this program, or else as the one in PATH. Returns only if there is
// none.
absl::StatusOr<ExitCode> BecomeBatond(std::vector<std::string> arguments);

}  // namespace baton
