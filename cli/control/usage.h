// What both programs say to a command line that makes no sense.
#pragma once

#include <CLI/CLI.hpp>

namespace baton {

// Prints the help or the version that was asked for (0), or one line on standard error that says
// what is wrong and where help is (ExitCode::kUsage).
int ExplainUsage(const CLI::App& app, const CLI::ParseError& error);

}  // namespace baton
