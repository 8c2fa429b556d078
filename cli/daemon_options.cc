#include "cli/daemon_options.h"

#include <grp.h>
#include <pwd.h>

#include <CLI/CLI.hpp>
#include <charconv>
#include <map>

#include "cli/control.h"
#include "cli/usage.h"
#include "engine/base/names.h"
#include "engine/base/status.h"

namespace baton {
namespace {

const std::map<std::string, spdlog::level::level_enum> kLogLevels = {
    {"debug", spdlog::level::debug},
    {"info", spdlog::level::info},
    {"warning", spdlog::level::warn},
    {"error", spdlog::level::err}};

struct TypedOptions {
  std::string log_level = "info";
  std::string mode = "0660";
  std::string owner;
  std::string group;
  double watchdog_seconds = absl::ToDoubleSeconds(keeper::kDefaultWatchdog);
  double give_up_seconds = 0;
};

template <typename Number>
bool ParseWhole(const std::string& text, int base, Number& value) {
  const char* end = text.data() + text.size();
  const auto [parsed, error] = std::from_chars(text.data(), end, value, base);
  return error == std::errc() && parsed == end && !text.empty();
}

uid_t ParseUser(const std::string& text) {
  uid_t uid = 0;
  if (ParseWhole(text, 10, uid)) return uid;
  const passwd* user = ::getpwnam(text.c_str());
  if (user == nullptr) throw CLI::ValidationError("--volume-owner", "there is no user " + text);
  return user->pw_uid;
}

gid_t ParseGroup(const std::string& text) {
  gid_t gid = 0;
  if (ParseWhole(text, 10, gid)) return gid;
  const group* found = ::getgrnam(text.c_str());
  if (found == nullptr) throw CLI::ValidationError("--volume-group", "there is no group " + text);
  return found->gr_gid;
}

mode_t ParseMode(const std::string& text) {
  mode_t mode = 0;
  if (ParseWhole(text, 8, mode) && mode <= 0777) return mode;
  throw CLI::ValidationError("--volume-mode", "\"" + text + "\" is no octal mode such as 0660");
}

void DeclareDaemonOptions(CLI::App& app, DaemonOptions& options, TypedOptions& typed) {
  options.control = control::kDefaultControlPath;
  app.add_option("--pool", options.pool, "the pool's directory")->required();
  app.add_option("--node", options.node, "this controller's name")->required();
  app.add_option("--mount", options.mount, "an empty directory: volumes appear there as files")
      ->required();
  app.add_option("--control", options.control, "the socket for baton")->capture_default_str();
  app.add_option("--log-level", typed.log_level, "debug, info, warning or error")
      ->check(CLI::IsMember({"debug", "info", "warning", "error"}))
      ->capture_default_str();
  app.add_option("--volume-mode", typed.mode, "permission bits of the volumes' files")
      ->capture_default_str();
  app.add_option("--volume-owner", typed.owner, "user that owns them, by name or number");
  app.add_option("--volume-group", typed.group, "their group, by name or number");
  app.add_option("--watchdog", typed.watchdog_seconds,
                 "SECONDS without a sign of life after which the controller is replaced; 0: never")
      ->capture_default_str();
  app.add_option(
         "--give-up-after", typed.give_up_seconds,
         "SECONDS that I/O may wait for a controller that ends again and again; 0: for ever")
      ->capture_default_str();
  app.set_version_flag("--version", BATON_VERSION);
  app.footer(
      "Stays in the foreground. Says \"ready\" on standard error, and READY on the notify socket,\n"
      "once the mount serves. SIGTERM or SIGINT: an orderly stop; a second one: at once. SIGHUP: "
      "as\n"
      "`baton upgrade`. The process that serves is a child of this one: when it ends, another one\n"
      "goes on and I/O waits meanwhile.");
}

absl::Duration ParseWatchdog(double seconds) {
  const absl::Duration watchdog = absl::Seconds(seconds);
  if (seconds == 0 || (seconds > 0 && watchdog >= keeper::kMinWatchdog)) return watchdog;
  throw CLI::ValidationError(
      "--watchdog", "must be 0, or at least " + absl::FormatDuration(keeper::kMinWatchdog));
}

absl::Duration ParseGiveUp(double seconds) {
  if (seconds < 0) throw CLI::ValidationError("--give-up-after", "must not be negative");
  return seconds == 0 ? absl::InfiniteDuration() : absl::Seconds(seconds);
}

void InterpretDaemonOptions(const TypedOptions& typed, DaemonOptions& options) {
  const absl::Status name = CheckName(options.node);
  if (!name.ok()) throw CLI::ValidationError("--node", Message(name));
  options.log_level = kLogLevels.at(typed.log_level);
  options.ownership.file_mode = ParseMode(typed.mode);
  options.watchdog = ParseWatchdog(typed.watchdog_seconds);
  options.give_up_after = ParseGiveUp(typed.give_up_seconds);
  if (!typed.owner.empty()) options.ownership.uid = ParseUser(typed.owner);
  if (!typed.group.empty()) options.ownership.gid = ParseGroup(typed.group);
}

}  // namespace

std::variant<DaemonOptions, DaemonUsage> ParseDaemonOptions(int argc, char** argv) {
  CLI::App app("A Baton controller: serves the volumes of a pool as files of a mount", "batond");
  DaemonOptions options;
  TypedOptions typed;
  DeclareDaemonOptions(app, options, typed);
  try {
    app.parse(argc, argv);
    InterpretDaemonOptions(typed, options);
  } catch (const CLI::ParseError& error) {
    return DaemonUsage{ExplainUsage(app, error)};
  }
  return options;
}

}  // namespace baton
