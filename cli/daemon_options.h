// The command line of batond.
#pragma once

#include <spdlog/common.h>

#include <string>
#include <variant>

#include "cli/keeper/settings.h"
#include "fs/attributes.h"

namespace baton {

struct DaemonOptions {
  std::string pool;
  std::string node;
  std::string mount;
  std::string control;
  spdlog::level::level_enum log_level = spdlog::level::info;
  fs::Ownership ownership;
  absl::Duration watchdog = keeper::kDefaultWatchdog;  // zero: off
  absl::Duration give_up_after = absl::InfiniteDuration();
};

// Why there are no options: the process ends with `exit_code`, and everything has been said.
struct DaemonUsage {
  int exit_code = 0;
};

// Says what is wrong with the command line, or prints the help that it asks for.
std::variant<DaemonOptions, DaemonUsage> ParseDaemonOptions(int argc, char** argv);

}  // namespace baton
