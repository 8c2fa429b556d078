#include "cli/baton/console.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <system_error>

#include "cli/control/json.h"
#include "engine/base/standard_streams.h"
#include "engine/base/status.h"

namespace baton {
namespace {

// https://no-color.org: set, and not empty.
bool TerminalHasColours() {
  const char* const no_colour = std::getenv("NO_COLOR");
  const char* const terminal = std::getenv("TERM");
  return ::isatty(STDOUT_FILENO) == 1 && (no_colour == nullptr || *no_colour == '\0') &&
         terminal != nullptr && std::strcmp(terminal, "dumb") != 0;
}

}  // namespace

Console::Console(Options options)
    : options_(options),
      shows_progress_(!options.json && !options.quiet && ::isatty(STDERR_FILENO) == 1),
      has_colours_(TerminalHasColours()) {}

void Console::Answer(const std::string& line) {
  const bool done = std::fputs((line + '\n').c_str(), stdout) >= 0 && std::fflush(stdout) == 0;
  if (done || !written_.ok()) return;
  written_ = Error(absl::StatusCode::kFailedPrecondition,
                   "the answer could not be written to standard output: {}",
                   std::generic_category().message(errno));
}

void Console::AnswerJson(const google::protobuf::Message& message) { Answer(ToJson(message)); }

void Console::AnswerJsonLine(const google::protobuf::Message& message) {
  Answer(ToJson(message, -1));
}

void Console::Confirm(const std::string& line) {
  if (!options_.quiet && !options_.json) Answer(line);
}

void Console::Complain(const std::string& line) const {
  std::string flat = line;
  // One line, and nothing that a terminal would obey.
  const auto is_control = [](unsigned char c) { return c < ' ' || c == 0x7f; };
  std::replace_if(flat.begin(), flat.end(), is_control, ' ');
  SayError("baton: " + flat);
}

void Console::ShowProgress(const std::string& line) {
  if (!shows_progress_) return;
  std::fputs(("\r\x1b[K" + line.substr(0, width() - 1)).c_str(), stderr);
  std::fflush(stderr);
  in_progress_ = true;
}

void Console::EndProgress() {
  if (in_progress_) std::fputs("\r\x1b[K", stderr);
  in_progress_ = false;
}

size_t Console::width() const {
  constexpr size_t kUsual = 80;
  winsize size{};
  if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col < 2) return kUsual;
  return size.ws_col;
}

size_t Console::height() const {
  winsize size{};
  return ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_row : 0;
}

std::string FormatTable(const std::vector<std::vector<std::string>>& rows) {
  std::vector<size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string text;
  for (const auto& row : rows) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) line += fmt::format("{:<{}}  ", row[i], widths[i]);
    line.erase(line.find_last_not_of(' ') + 1);
    text += (text.empty() ? "" : "\n") + line;
  }
  return text;
}

std::string FormatFields(const std::vector<std::pair<std::string, std::string>>& fields) {
  std::vector<std::vector<std::string>> rows;
  for (const auto& [name, value] : fields) rows.push_back({name, value});
  return FormatTable(rows);
}

}  // namespace baton
