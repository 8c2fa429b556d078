// What every command of the client is given.
#pragma once

#include <absl/status/statusor.h>

#include <functional>
#include <memory>
#include <string>

#include "cli/baton/console.h"
#include "cli/baton/control_client.h"
#include "cli/control/exit_code.h"

namespace baton {

struct CommandContext {
  Console& console;
  std::unique_ptr<control::ControlClient> client;
};

// A command with its arguments. A failure is printed and becomes the exit code by ExitCodeOf.
using Command = std::function<absl::StatusOr<ExitCode>(CommandContext&)>;

}  // namespace baton
