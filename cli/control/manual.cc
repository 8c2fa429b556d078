#include "cli/control/manual.h"

#include <absl/strings/ascii.h>
#include <absl/strings/str_join.h>
#include <absl/strings/str_split.h>
#include <fmt/format.h>

#include <string_view>
#include <vector>

#include "cli/control/usage.h"

namespace baton {
namespace {

// scdoc takes these for markup.
std::string EscapeText(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    if (std::string_view("\\_*#[").find(c) != std::string_view::npos) escaped += '\\';
    if (c == '.' && escaped.empty()) escaped += '\\';
    escaped += c;
  }
  return escaped;
}

// In lines that end at spaces, each behind `indent`, and none begins as markup would.
std::string Wrap(const std::string& text, const std::string& indent) {
  constexpr size_t kColumns = 72;
  std::string wrapped = indent;
  size_t column = 0;
  const std::vector<std::string> words = absl::StrSplit(text, ' ');
  for (const std::string& word : words) {
    const bool is_markup = word.empty() || word[0] == '-' || word[0] == '.' || word[0] == '|';
    if (column > 0 && column + word.size() >= kColumns && !is_markup) {
      wrapped += "\n" + indent;
      column = 0;
    }
    if (column > 0) wrapped += ' ';
    wrapped += word;
    column += word.size() + 1;
  }
  return wrapped;
}

std::string Sentence(std::string text) {
  if (!text.empty()) text[0] = absl::ascii_toupper(static_cast<unsigned char>(text[0]));
  return text;
}

bool IsShown(const CLI::Option* option) { return !option->get_group().empty(); }

// "--size TEXT"; "-q, --quiet".
std::string SynopsisOf(const CLI::Option* option) {
  std::string names;
  for (const std::string& name : option->get_snames()) names += "*-" + name + "*, ";
  for (const std::string& name : option->get_lnames()) {
    names += "*--" + EscapeText(name) + "*, ";
  }
  names.resize(names.size() - 2);
  if (!TakesValue(*option)) return names;
  return fmt::format("{} _{}_", names, EscapeText(TypeOf(*option)));
}

std::string DescriptionOf(const CLI::Option* option) {
  std::string text = EscapeText(Sentence(option->get_description()));
  if (const std::vector<std::string> choices = ChoicesOf(*option); !choices.empty()) {
    text += ". One of " + EscapeText(absl::StrJoin(choices, ", "));
  }
  const std::string standard = option->get_default_str();
  if (!standard.empty()) text += fmt::format(". Default: {}", EscapeText(standard));
  if (!option->get_envname().empty()) {
    text += fmt::format(". Also ${}", EscapeText(option->get_envname()));
  }
  return text + ".";
}

std::string OptionsOf(const CLI::App& app) {
  std::string text;
  for (const CLI::Option* option : app.get_options()) {
    if (!IsShown(option) || option == app.get_help_ptr()) continue;
    const std::string name = option->get_positional() && option->get_lnames().empty()
                                 ? fmt::format("_{}_", EscapeText(option->get_name(true)))
                                 : SynopsisOf(option);
    text += fmt::format("{}\n{}\n\n", name, Wrap(DescriptionOf(option), "\t"));
  }
  return text;
}

// "baton volume show NAME"
std::string LineOf(const CLI::App& app, const std::string& path) {
  std::string line = fmt::format("*{}*", EscapeText(path));
  bool has_options = false;
  for (const CLI::Option* option : app.get_options()) {
    if (!IsShown(option) || option == app.get_help_ptr()) continue;
    if (!option->get_positional()) {
      has_options = true;
      continue;
    }
    const std::string name = fmt::format("_{}_{}", EscapeText(option->get_name(true)),
                                         option->get_expected_max() > 1 ? "..." : "");
    line += option->get_required() ? " " + name : " \\[" + name + "]";
  }
  return has_options ? line + " \\[OPTIONS]" : line;
}

void AppendCommands(const CLI::App& app, const std::string& path, std::string& text) {
  for (const CLI::App* command : app.get_subcommands(nullptr)) {
    const std::string here = path + " " + command->get_name();
    if (!command->get_subcommands(nullptr).empty()) {
      AppendCommands(*command, here, text);
      continue;
    }
    text += fmt::format("## {}\n\n{}\n\n{}\n\n", here, LineOf(*command, here),
                        Wrap(EscapeText(Sentence(command->get_description())) + ".", ""));
    text += OptionsOf(*command);
  }
}

}  // namespace

std::string ManualOf(const CLI::App& app) {
  std::string text = "# OPTIONS\n\n" + OptionsOf(app);
  if (app.get_subcommands(nullptr).empty()) return text;
  text += "# COMMANDS\n\n";
  AppendCommands(app, app.get_name(), text);
  return text;
}

}  // namespace baton
