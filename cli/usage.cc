#include "cli/usage.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <string>

#include "cli/exit_code.h"

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

}  // namespace

int ExplainUsage(const CLI::App& app, const CLI::ParseError& error) {
  // Help and version come as exceptions with the code of success.
  if (error.get_exit_code() == 0) return app.exit(error);
  std::string what = error.what();
  std::replace(what.begin(), what.end(), '\n', ' ');
  fmt::print(stderr, "{}: {} (see {} --help)\n", app.get_name(), what, CommandPath(app));
  return static_cast<int>(ExitCode::kUsage);
}

}  // namespace baton
