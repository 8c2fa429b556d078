#include "cli/baton/baton_app.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "cli/baton/commands.h"
#include "cli/baton/completion.h"
#include "cli/control/control.h"
#include "cli/control/manual.h"
#include "cli/control/usage.h"
#include "engine/base/standard_streams.h"
#include "engine/base/status.h"

namespace baton {
namespace {

constexpr char kFooter[] =
    "IDs of clones are the numbers that create prints, or the names of targets. Sizes take K, M, "
    "G,\n"
    "T (powers of 1024). Exit codes: 0 done, 1 refused or failed, 2 usage, 3 degraded, 4 no\n"
    "controller reachable, 5 timed out. More: baton help exit-codes, failover, names, states.";

struct GlobalOptions {
  std::string control_path = control::kDefaultControlPath;
  Console::Options console;
};

void AddGlobalOptions(CLI::App& app, GlobalOptions& options) {
  app.add_option("--control", options.control_path, "the control socket of the controller")
      ->envname("BATON_CONTROL")
      ->type_name(kFileType)
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
  AddTraceCommands(app, chosen);
  AddFailoverCommand(app, chosen);
  AddNodeCommands(app, chosen);
  AddDrillCommands(app, chosen);
  AddUpgradeCommand(app, chosen);
  AddKeygenCommand(app, chosen);
  AddDoctorCommand(app, chosen);
  AddHelpCommand(app, chosen);
}

absl::StatusOr<ExitCode> RunCommand(const GlobalOptions& options, const Command& command,
                                    Console& console) {
  BATON_ASSIGN_OR_RETURN(auto client, control::ControlClient::Make(options.control_path));
  CommandContext context{console, std::move(client)};
  return command(context);
}

// What packages and shells ask of the program: not in the help. True: it was asked, and answered.
bool AnswerTools(const CLI::App& app, int argc, char** argv) {
  const std::vector<std::string> words(argv + std::min(argc, 1), argv + argc);
  if (words.empty()) return false;
  if (words.front() == kCompleteCommand) {
    const char* const control = std::getenv("BATON_CONTROL");
    PrintCompletions(app, control == nullptr ? control::kDefaultControlPath : control,
                     {words.begin() + 1, words.end()});
    return true;
  }
  if (words.front() != kManualOption || words.size() > 1) return false;
  std::fputs(ManualOf(app).c_str(), stdout);
  return true;
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
  if (AnswerTools(app, argc, argv)) return static_cast<int>(ExitCode::kDone);
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
