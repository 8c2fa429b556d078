#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "cli/baton/become_batond.h"
#include "cli/baton/commands.h"

namespace baton {
namespace {

constexpr char kSettings[] = "/etc/baton";  // where the unit for systemd looks

// The only file of settings that is there; empty: there is none, or there are several.
std::string OnlyFile() {
  std::vector<std::string> files;
  std::error_code error;
  for (std::filesystem::directory_iterator it(kSettings, error), end; !error && it != end;
       it.increment(error)) {
    if (it->path().extension() == ".toml") files.push_back(it->path());
  }
  return files.size() == 1 ? files.front() : "";
}

absl::StatusOr<ExitCode> Diagnose(const CommandContext& context, std::string file) {
  if (file.empty()) file = OnlyFile();
  std::vector<std::string> arguments = {"--doctor", context.console.json() ? "json" : "text"};
  if (!file.empty()) arguments.insert(arguments.end(), {"--config", file});
  return BecomeBatond(std::move(arguments));
}

}  // namespace

void AddDoctorCommand(CLI::App& app, Command& chosen) {
  CLI::App* doctor = app.add_subcommand(
      "doctor",
      "look whether this machine, its storage and its settings are fit; needs no controller");
  auto file = std::make_shared<std::string>();
  doctor
      ->add_option("--config", *file,
                   "the FILE of batond's settings; default: the one in /etc/baton, if there is one")
      ->type_name("FILE");
  doctor->callback([file, &chosen] {
    chosen = [file](CommandContext& context) { return Diagnose(context, *file); };
  });
}

}  // namespace baton
