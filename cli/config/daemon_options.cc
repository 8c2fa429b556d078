#include "cli/config/daemon_options.h"

#include <CLI/CLI.hpp>
#include <filesystem>
#include <iostream>
#include <map>
#include <string>

#include "cli/config/config.h"
#include "cli/config/unit_dropin.h"
#include "cli/control/exit_code.h"
#include "cli/control/manual.h"
#include "cli/control/usage.h"
#include "engine/base/status.h"

namespace baton {
namespace {

constexpr char kFooter[] =
    "What is not given here is taken from the file, where there is one. All settings are there;\n"
    "see batond.toml for each with its default.\n\n"
    "Stays in the foreground. Says \"ready\" on standard error, and READY on the notify socket,\n"
    "once the mount serves. SIGTERM or SIGINT: an orderly stop; a second one: at once. SIGHUP: "
    "as\n"
    "`baton upgrade`. The process that serves is a child of this one: when it ends, another one\n"
    "goes on and I/O waits meanwhile.";

// Options write into the config that the settings belong to.
class CommandLine {
 public:
  explicit CommandLine(Config& config) : config_(config) {
    app_.add_option("--config", file_, "a file with settings, in TOML");
    app_.add_option("--doctor", doctor_, "do what `baton doctor` does, and end; text or json")
        ->check(CLI::IsMember({"text", "json"}));
    app_.add_option("--drain", drain_, "do what `baton pool drain` does to this POOL, and end");
    app_.add_flag("--print-control", print_control_,
                  "print the path of the control socket, and end");
    app_.add_flag("--print-unit-dropin", print_unit_dropin_,
                  "print a drop-in for the systemd unit, and end");
    for (const Setting& setting : SettingsOf(config)) {
      if (!setting.option.empty()) Declare(setting);
    }
    app_.set_version_flag("--version", BATON_VERSION);
    app_.footer(kFooter);
  }

  CLI::App& app() { return app_; }
  const std::string& drain() const { return drain_; }
  // What was asked for instead of a controller; empty: nothing.
  std::string TextFor(const DaemonOptions& options) const {
    if (print_control_) return options.control + '\n';
    return print_unit_dropin_ ? UnitDropin(options) : "";
  }
  const std::string& doctor() const { return doctor_; }
  const std::string& file() const { return file_; }

  // The file's settings first, then what is typed. Throws CLI::ParseError.
  void Parse(int argc, char** argv) {
    app_.parse(argc, argv);
    if (!file_.empty()) {
      config_ = Config();
      Require(ReadConfig(file_, config_));
      app_.parse(argc, argv);
    }
    for (const auto& [path, option] : options_) {
      if (option->count() > 0) Forget(path);
    }
    for (const auto& [path, option] : old_options_) {
      if (option->count() == 0) continue;
      // get_name() gives nothing for an option that is not in the help.
      const std::string name = "--" + option->get_lnames().front();
      // excludes() would be in the help.
      if (options_[path]->count() > 0) throw CLI::ExcludesError(name, options_[path]->get_name());
      Forget(path);
      config_.old_names[path] = name;
    }
  }

  static void Require(const absl::Status& status) {
    if (!status.ok()) throw CLI::ValidationError(Message(status));
  }

 private:
  // What the file says of it does not count.
  void Forget(const std::string& path) {
    config_.lines.erase(path);
    config_.old_names.erase(path);
  }

  void Declare(const Setting& setting) {
    CLI::Option* const option = std::visit(
        [&](auto* value) { return Add(setting.option, *value, setting.help); }, setting.value);
    options_[setting.path] = option;
    if (setting.old_option.empty()) return;
    // Not in the help.
    CLI::Option* const old =
        std::visit([&](auto* value) { return Add(setting.old_option, *value, ""); }, setting.value);
    old->group("");
    old_options_[setting.path] = old;
  }
  CLI::Option* Add(const std::string& name, bool& value, const std::string& help) {
    return app_.add_flag(name, value, help);
  }
  CLI::Option* Add(const std::string& name, std::string& value, const std::string& help) {
    CLI::Option* option = app_.add_option(name, value, help);
    return value.empty() ? option : option->capture_default_str();
  }
  CLI::Option* Add(const std::string& name, int64_t& value, const std::string& help) {
    return app_.add_option(name, value, help)->capture_default_str();
  }
  CLI::Option* Add(const std::string& name, double& value, const std::string& help) {
    return app_.add_option(name, value, help)->capture_default_str();
  }
  CLI::Option* Add(const std::string& name, std::vector<std::string>& value,
                   const std::string& help) {
    return app_.add_option(name, value, help)->allow_extra_args(false);
  }
  // No option: options of a fence agent are in the file.
  CLI::Option* Add(const std::string&, std::map<std::string, std::string>&, const std::string&) {
    return nullptr;
  }

  CLI::App app_{"A Baton controller: serves the volumes of a pool as files of a mount", "batond"};
  Config& config_;
  std::string file_;
  std::string drain_;
  bool print_control_ = false;
  bool print_unit_dropin_ = false;
  std::string doctor_;
  std::map<std::string, CLI::Option*> options_, old_options_;  // by the path of the setting
};

DaemonUsage Print(const std::string& text) {
  std::cout << text;
  const ExitCode code = std::cout.flush() ? ExitCode::kDone : ExitCode::kRefused;
  return {.exit_code = static_cast<int>(code), .problem = ""};
}

}  // namespace

std::string DaemonOptions::AbsolutePool() const {
  const std::filesystem::path path = std::filesystem::absolute(pool).lexically_normal();
  return path.has_filename() ? path : path.parent_path();
}

std::variant<DaemonOptions, DaemonUsage> ParseDaemonOptions(int argc, char** argv) {
  Config config;
  CommandLine line(config);
  if (argc == 2 && std::string(argv[1]) == kManualOption) return Print(ManualOf(line.app()));
  DaemonOptions options;
  try {
    line.Parse(argc, argv);
    options.drain = line.drain();
    const bool has_settings = line.doctor().empty() || !line.file().empty();
    if (options.drain.empty() && has_settings) CommandLine::Require(Interpret(config, options));
  } catch (const CLI::ParseError& error) {
    const bool is_of_settings = dynamic_cast<const CLI::ValidationError*>(&error) != nullptr;
    if (line.doctor().empty() || !is_of_settings) {
      return DaemonUsage{.exit_code = ExplainUsage(line.app(), error),
                         .problem = error.get_exit_code() == 0 ? "" : error.what()};
    }
    options.config_problem = error.what();
  }
  options.doctor = line.doctor();
  options.config_file = line.file();
  const std::string text = line.TextFor(options);
  if (text.empty()) return options;
  return Print(text);
}

}  // namespace baton
