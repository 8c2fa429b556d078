#include "cli/baton/baton_app.h"

#include <CLI/CLI.hpp>
#include <string>
#include <utility>

#include "cli/baton/commands.h"
#include "cli/control/control.h"
#include "cli/control/usage.h"
#include "engine/base/standard_streams.h"
#include "engine/base/status.h"

namespace baton {
namespace {

constexpr char kFooter[] =
    "IDs of clones are the numbers that create prints, or the names of targets. Sizes take K, M, "
    "G,\n"
    "T (powers of 1024). Exit codes: 0 done, 1 refused or failed, 2 usage, 3 degraded, 4 no\n"
    "controller reachable, 5 timed out.";

struct GlobalOptions {
  std::string control_path = control::kDefaultControlPath;
  Console::Options console;
};

void AddGlobalOptions(CLI::App& app, GlobalOptions& options) {
  app.add_option("--control", options.control_path, "the control socket of the controller")
      ->envname("BATON_CONTROL")
      ->capture_default_str();
  app.add_flag("--json", options.console.json, "answers as JSON");
  app.add_flag("--quiet,-q", options.console.quiet, "no progress, no confirmations");
  app.set_version_flag("--version", BATON_VERSION);
  app.footer(kFooter);
}

void AddCommands(CLI::App& app, Command& chosen) {
  app.require_subcommand(1);
  AddPoolCommands(app, chosen);
  AddStatusCommand(app, chosen);
  AddVolumeCommands(app, chosen);
  AddCloneCommands(app, chosen);
  AddEventsCommand(app, chosen);
  AddFailoverCommand(app, chosen);
  AddNodeCommands(app, chosen);
  AddUpgradeCommand(app, chosen);
  AddKeygenCommand(app, chosen);
  AddDoctorCommand(app, chosen);
}

absl::StatusOr<ExitCode> RunCommand(const GlobalOptions& options, const Command& command,
                                    Console& console) {
  BATON_ASSIGN_OR_RETURN(auto client, control::ControlClient::Make(options.control_path));
  CommandContext context{console, std::move(client)};
  return command(context);
}

}  // namespace

int RunBaton(int argc, char** argv) {
  HoldStandardStreams();
  CLI::App app("Volumes and clones of a Baton controller", "baton");
  app.fallthrough();  // --json and its like may also stand behind the command
  GlobalOptions options;
  Command command;
  AddGlobalOptions(app, options);
  AddCommands(app, command);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return ExplainUsage(app, error);
  }
  Console console(options.console);
  absl::StatusOr<ExitCode> result = RunCommand(options, command, console);
  if (result.ok() && !console.written().ok()) result = console.written();
  if (result.ok()) return static_cast<int>(*result);
  console.Complain(Message(result.status()));
  return static_cast<int>(ExitCodeOf(result.status()));
}

}  // namespace baton
