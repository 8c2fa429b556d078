#include "cli/control/usage.h"

#include <fmt/format.h>

#include <algorithm>
#include <iostream>
#include <optional>
#include <string>

#include "cli/control/exit_code.h"
#include "engine/base/standard_streams.h"

namespace baton {
namespace {

// "baton volume create": the command as far as it was understood.
std::string CommandPath(const CLI::App& app) {
  std::string path = app.get_name();
  const CLI::App* current = &app;
  while (!current->get_subcommands().empty()) {
    current = current->get_subcommands().front();
    path += " " + current->get_name();
  }
  return path;
}

// CLI11 says of a command that it does not know that one is missing.
std::optional<std::string> UnknownWord(const CLI::App& app) {
  for (const std::string& word : app.remaining(true)) {
    if (!word.starts_with('-')) return fmt::format("there is no command {}", word);
  }
  return std::nullopt;
}

}  // namespace

bool TakesValue(const CLI::Option& option) { return option.get_expected_max() > 0; }

const CLI::App* FindCommand(const CLI::App& app, const std::string& name) {
  for (const CLI::App* command : app.get_subcommands(nullptr)) {
    if (command->get_name() == name) return command;
  }
  return nullptr;
}

int ExplainUsage(const CLI::App& app, const CLI::ParseError& error) {
  // Help and version come as exceptions with the code of success.
  if (error.get_exit_code() == 0) {
    const int code = app.exit(error);
    return std::cout.flush() ? code : static_cast<int>(ExitCode::kRefused);
  }
  std::string what = UnknownWord(app).value_or(error.what());
  std::replace(what.begin(), what.end(), '\n', ' ');
  SayError(fmt::format("{}: {} (see {} --help)", app.get_name(), what, CommandPath(app)));
  return static_cast<int>(ExitCode::kUsage);
}

}  // namespace baton
