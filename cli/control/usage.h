// What both programs say to a command line that makes no sense, and which commands there are.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace baton {

// Prints the help or the version that was asked for (0), or one line on standard error that says
// what is wrong and where help is (ExitCode::kUsage).
int ExplainUsage(const CLI::App& app, const CLI::ParseError& error);

// Not so of a flag.
bool TakesValue(const CLI::Option& option);
// What its value is: "TEXT" of a type "TEXT:{a,b}".
std::string TypeOf(const CLI::Option& option);
// "a" and "b" of that; empty: anything may be given.
std::vector<std::string> ChoicesOf(const CLI::Option& option);

// The command of that name below `app`; null: there is none.
const CLI::App* FindCommand(const CLI::App& app, const std::string& name);

}  // namespace baton
