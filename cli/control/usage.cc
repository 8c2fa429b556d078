#include "cli/control/usage.h"

#include <absl/strings/str_split.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <iostream>
#include <numeric>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cli/control/exit_code.h"
#include "engine/base/standard_streams.h"

namespace baton {
namespace {

// The command as far as it was understood, with all that it is part of.
std::vector<const CLI::App*> Understood(const CLI::App& app) {
  std::vector<const CLI::App*> commands = {&app};
  while (!commands.back()->get_subcommands().empty()) {
    commands.push_back(commands.back()->get_subcommands().front());
  }
  return commands;
}

// "baton volume create"
std::string CommandPath(const CLI::App& app) {
  std::string path;
  for (const CLI::App* command : Understood(app)) {
    path += (path.empty() ? "" : " ") + command->get_name();
  }
  return path;
}

std::vector<std::string> NamesBelow(const CLI::App& command) {
  std::vector<std::string> names;
  for (const CLI::App* below : command.get_subcommands([](const CLI::App*) { return true; })) {
    names.push_back(below->get_name());
  }
  return names;
}

// How many letters are to be added, left out or replaced to make one of the other.
size_t Distance(const std::string& a, const std::string& b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 0; i < a.size(); ++i) {
    size_t diagonal = std::exchange(row[0], i + 1);
    for (size_t j = 0; j < b.size(); ++j) {
      const size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({row[j] + 1, row[j + 1] + 1, replaced});
    }
  }
  return row.back();
}

// "; did you mean status?", where one of the names is near enough.
std::string Guess(const std::string& word, const std::vector<std::string>& names) {
  const auto nearest = std::ranges::min_element(
      names, {}, [&word](const std::string& name) { return Distance(word, name); });
  const bool is_near = nearest != names.end() && 3 * Distance(word, *nearest) <= nearest->size();
  return is_near ? fmt::format("; did you mean {}?", *nearest) : "";
}

// CLI11 says of a command that it does not know that one is missing, and of one that is missing
// not which there are.
std::optional<std::string> WrongCommand(const CLI::App& app) {
  const CLI::App& last = *Understood(app).back();
  const std::vector<std::string> names = NamesBelow(last);
  for (const std::string& word : app.remaining(true)) {
    if (word.starts_with('-')) continue;
    if (names.empty()) return fmt::format("{} is one word too many", word);
    return fmt::format("there is no command {}{}", word, Guess(word, names));
  }
  if (names.empty() || !app.remaining(true).empty()) return std::nullopt;
  return fmt::format("a command is missing: {}", fmt::join(names, ", "));
}

}  // namespace

bool TakesValue(const CLI::Option& option) { return option.get_expected_max() > 0; }

std::string TypeOf(const CLI::Option& option) {
  const std::string type = option.get_type_name();
  return type.substr(0, type.find(':'));
}

std::vector<std::string> ChoicesOf(const CLI::Option& option) {
  const std::string type = option.get_type_name();
  const size_t begin = type.find('{');
  const size_t end = type.rfind('}');
  if (begin == std::string::npos || end == std::string::npos) return {};
  return absl::StrSplit(type.substr(begin + 1, end - begin - 1), ',');
}

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
  std::string what = WrongCommand(app).value_or(error.what());
  std::replace(what.begin(), what.end(), '\n', ' ');
  SayError(fmt::format("{}: {} (see {} --help)", app.get_name(), what, CommandPath(app)));
  return static_cast<int>(ExitCode::kUsage);
}

}  // namespace baton
