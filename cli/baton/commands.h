// The commands of the client, a noun a file. Each Add… declares its subcommands; the one that the
// command line names puts itself into `chosen`.
#pragma once

#include <CLI/CLI.hpp>

#include "cli/baton/command_context.h"

namespace baton {

void AddPoolCommands(CLI::App& app, Command& chosen);
void AddStatusCommand(CLI::App& app, Command& chosen);
void AddVolumeCommands(CLI::App& app, Command& chosen);
void AddVolumeImport(CLI::App& volume, Command& chosen);
void AddCloneCommands(CLI::App& app, Command& chosen);
void AddCloneChanges(CLI::App& clone, Command& chosen);
void AddCloneFollowers(CLI::App& clone, Command& chosen);
void AddCloneVerify(CLI::App& clone, Command& chosen);
void AddKeygenCommand(CLI::App& app, Command& chosen);
void AddDoctorCommand(CLI::App& app, Command& chosen);
void AddUpgradeCommand(CLI::App& app, Command& chosen);
void AddFailoverCommand(CLI::App& app, Command& chosen);
void AddNodeCommands(CLI::App& app, Command& chosen);
void AddEventsCommand(CLI::App& app, Command& chosen);

}  // namespace baton
