// The commands and options of a program as the source of a manual page (scdoc), made of what the
// help shows. packaging/man/build joins it with what is written by hand.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace baton {

// What makes the programs print their part: as the only argument.
inline constexpr char kManualOption[] = "--print-manual";

// The options of `app`, then each command below it with its arguments and options.
std::string ManualOf(const CLI::App& app);

}  // namespace baton
