// `baton __complete WORDS...`: what the last word may become. The shells' scripts in
// packaging/completion ask it at each TAB.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace baton {

// What makes the program complete: as the first argument.
inline constexpr char kCompleteCommand[] = "__complete";

// Prints a line for each candidate, "WORD\tWHAT IT IS", or the line ":files" or ":directories".
// `words` are what stands on the command line behind the program, the last one as far as it was
// typed. The controller is asked for volumes, clones and nodes: for a short time, and without an
// answer nothing is printed.
void PrintCompletions(const CLI::App& app, std::string control_path,
                      const std::vector<std::string>& words);

}  // namespace baton
