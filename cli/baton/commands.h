// The commands of the client, a noun a file. Each Add… declares its subcommands; the one that the
// command line names puts itself into `chosen`.
#pragma once

#include <CLI/CLI.hpp>

#include "cli/baton/command_context.h"

namespace baton {

// What an argument is, as Option::type_name: the help shows it, and completion goes by it.
inline constexpr char kTextType[] = "TEXT";
inline constexpr char kVolumeType[] = "VOLUME";
inline constexpr char kCloneType[] = "CLONE";
inline constexpr char kNodeType[] = "NODE";
inline constexpr char kFileType[] = "FILE";
inline constexpr char kDirectoryType[] = "DIRECTORY";
inline constexpr char kTopicType[] = "TOPIC";

void AddPoolCommands(CLI::App& app, Command& chosen);
void AddStatusCommand(CLI::App& app, Command& chosen);
void AddVolumeCommands(CLI::App& app, Command& chosen);
void AddVolumeImport(CLI::App& volume, Command& chosen);
void AddVolumeExport(CLI::App& volume, Command& chosen);
void AddCloneCommands(CLI::App& app, Command& chosen);
void AddCloneChanges(CLI::App& clone, Command& chosen);
void AddCloneFollowers(CLI::App& clone, Command& chosen);
void AddCloneVerify(CLI::App& clone, Command& chosen);
void AddKeygenCommand(CLI::App& app, Command& chosen);
void AddDoctorCommand(CLI::App& app, Command& chosen);
void AddUpgradeCommand(CLI::App& app, Command& chosen);
void AddFailoverCommand(CLI::App& app, Command& chosen);
void AddDrillCommands(CLI::App& app, Command& chosen);
void AddNodeCommands(CLI::App& app, Command& chosen);
void AddTraceCommands(CLI::App& app, Command& chosen);
void AddEventsCommand(CLI::App& app, Command& chosen);
void AddHelpCommand(CLI::App& app, Command& chosen);

}  // namespace baton
