#include <sys/stat.h>

#include <string>
#include <vector>

#include "cli/baton/clone_arguments.h"
#include "cli/baton/commands.h"
#include "cli/control/fetch_all.h"
#include "engine/base/names.h"
#include "engine/base/status.h"

namespace baton {
namespace {

using control::Request;
using control::Response;
using control::VolumeList;

struct CreateVolumeArguments {
  std::string name;
  std::string size;
  bool thick = false;
};

std::string StateOf(const VolumeStatus& volume) {
  if (volume.importing()) return "importing";
  return volume.offline() ? "offline" : "ready";
}

void AnswerVolume(Console& console, const VolumeStatus& volume) {
  if (console.json()) return console.AnswerJson(volume);
  std::string clones;
  for (const uint64_t id : volume.clone_ids()) clones += fmt::format("{} ", id);
  console.Answer(FormatFields({
      {"name", volume.name()},
      {"size", fmt::format("{} ({} bytes)", FormatSize(volume.size_bytes()), volume.size_bytes())},
      {"allocated", FormatSize(volume.allocated_bytes()) + (volume.thick() ? ", thick" : "")},
      {"path", volume.path()},
      {"state", StateOf(volume)},
      {"open", fmt::format("{}", volume.open_count())},
      {"locked by", volume.locked_by().empty()
                        ? "none"
                        : fmt::format("node {}", fmt::join(volume.locked_by(), ", node "))},
      {"clones", clones.empty() ? "none" : clones},
  }));
}

absl::StatusOr<ExitCode> CreateVolume(CommandContext& context,
                                      const CreateVolumeArguments& arguments) {
  Request request;
  auto& create = *request.mutable_volume_create();
  BATON_RETURN_IF_ERROR(CheckNewVolumeName(arguments.name));
  BATON_ASSIGN_OR_RETURN(const uint64_t size_bytes, ParseSize(arguments.size));
  create.set_name(arguments.name);
  create.set_size_bytes(size_bytes);
  create.set_thick(arguments.thick);
  BATON_ASSIGN_OR_RETURN(const Response response, context.client->Call(request));
  const VolumeStatus& volume = response.volume();
  if (context.console.json()) context.console.AnswerJson(volume);
  context.console.Confirm(fmt::format("volume {} created: {} at {}", volume.name(),
                                      FormatSize(volume.size_bytes()), volume.path()));
  return ExitCode::kDone;
}

absl::StatusOr<ExitCode> AdoptVolume(CommandContext& context, const std::string& name) {
  Request request;
  BATON_RETURN_IF_ERROR(CheckNewVolumeName(name));
  request.mutable_volume_adopt()->set_name(name);
  BATON_ASSIGN_OR_RETURN(const Response response, context.client->Call(request));
  const VolumeStatus& volume = response.volume();
  if (context.console.json()) context.console.AnswerJson(volume);
  context.console.Confirm(fmt::format("volume {} adopted: {} at {}", volume.name(),
                                      FormatSize(volume.size_bytes()), volume.path()));
  return ExitCode::kDone;
}

absl::StatusOr<ExitCode> ListVolumes(CommandContext& context) {
  const auto call = [&](const Request& request) { return context.client->Call(request); };
  BATON_ASSIGN_OR_RETURN(const VolumeList list, control::FetchAllVolumes(call));
  if (context.console.json()) {
    context.console.AnswerJson(list);
    return ExitCode::kDone;
  }
  std::vector<std::vector<std::string>> rows = {{"NAME", "SIZE", "ALLOCATED", "OPEN", "STATE"}};
  for (const VolumeStatus& volume : list.volumes()) {
    rows.push_back({volume.name(), FormatSize(volume.size_bytes()),
                    FormatSize(volume.allocated_bytes()), fmt::format("{}", volume.open_count()),
                    StateOf(volume)});
  }
  context.console.Answer(FormatTable(rows));
  return ExitCode::kDone;
}

absl::StatusOr<ExitCode> ShowVolume(CommandContext& context, const std::string& name) {
  Request request;
  BATON_RETURN_IF_ERROR(CheckName(name));
  request.mutable_volume_show()->set_name(name);
  BATON_ASSIGN_OR_RETURN(const Response response, context.client->Call(request));
  AnswerVolume(context.console, response.volume());
  return ExitCode::kDone;
}

absl::StatusOr<ExitCode> DeleteVolume(CommandContext& context, const std::string& name,
                                      bool degraded) {
  Request request;
  BATON_RETURN_IF_ERROR(CheckName(name));
  request.mutable_volume_delete()->set_name(name);
  request.mutable_volume_delete()->set_degraded(degraded);
  BATON_RETURN_IF_ERROR(context.client->Call(request).status());
  if (context.console.json()) context.console.AnswerJson(request.volume_delete());
  context.console.Confirm(fmt::format("volume {} deleted", name));
  return ExitCode::kDone;
}

absl::StatusOr<ExitCode> ResizeVolume(CommandContext& context, const std::string& name,
                                      const std::string& size) {
  Request request;
  BATON_RETURN_IF_ERROR(CheckName(name));
  BATON_ASSIGN_OR_RETURN(const uint64_t size_bytes, ParseSize(size));
  request.mutable_volume_resize()->set_name(name);
  request.mutable_volume_resize()->set_size_bytes(size_bytes);
  BATON_ASSIGN_OR_RETURN(const Response response, context.client->Call(request));
  const VolumeStatus& volume = response.volume();
  // The kernel of this node learns the new size by looking; loop devices go by what it knows.
  struct stat seen;
  (void)::stat(volume.path().c_str(), &seen);
  if (context.console.json()) context.console.AnswerJson(volume);
  context.console.Confirm(fmt::format("volume {} resized: {} at {}", volume.name(),
                                      FormatSize(volume.size_bytes()), volume.path()));
  return ExitCode::kDone;
}

struct RenameVolumeArguments {
  std::string name;
  std::string to;
  bool degraded = false;
};

absl::StatusOr<ExitCode> RenameVolume(CommandContext& context,
                                      const RenameVolumeArguments& arguments) {
  Request request;
  BATON_RETURN_IF_ERROR(CheckName(arguments.name));
  BATON_RETURN_IF_ERROR(CheckNewVolumeName(arguments.to));
  auto& rename = *request.mutable_volume_rename();
  rename.set_name(arguments.name);
  rename.set_to(arguments.to);
  rename.set_degraded(arguments.degraded);
  BATON_ASSIGN_OR_RETURN(const Response response, context.client->Call(request));
  const VolumeStatus& volume = response.volume();
  if (context.console.json()) context.console.AnswerJson(volume);
  context.console.Confirm(
      fmt::format("volume {} renamed: {} at {}", arguments.name, volume.name(), volume.path()));
  return ExitCode::kDone;
}

void AddVolumeResize(CLI::App& volume, Command& chosen) {
  CLI::App* app = volume.add_subcommand("resize", "make a volume larger; it may be in use");
  auto name = std::make_shared<std::string>();
  auto size = std::make_shared<std::string>();
  app->add_option("NAME", *name, "the volume")->required()->type_name(kVolumeType);
  app->add_option("SIZE", *size, "more than it has, a multiple of 4K, such as 20G")->required();
  app->callback([name, size, &chosen] {
    chosen = [name, size](CommandContext& context) { return ResizeVolume(context, *name, *size); };
  });
}

void AddVolumeRename(CLI::App& volume, Command& chosen) {
  CLI::App* app = volume.add_subcommand("rename", "give a volume that nobody uses another name");
  auto arguments = std::make_shared<RenameVolumeArguments>();
  app->add_option("OLD", arguments->name, "the volume")->required()->type_name(kVolumeType);
  app->add_option("NEW", arguments->to, "its new name, of a-z 0-9 . _ -")->required();
  AddDegraded(*app, arguments->degraded);
  app->callback([arguments, &chosen] {
    chosen = [arguments](CommandContext& context) { return RenameVolume(context, *arguments); };
  });
}

void AddVolumeCreate(CLI::App& volume, Command& chosen) {
  CLI::App* create = volume.add_subcommand("create", "make a volume of zeros");
  auto arguments = std::make_shared<CreateVolumeArguments>();
  create->add_option("NAME", arguments->name, "of a-z 0-9 . _ -")->required();
  create->add_option("--size", arguments->size, "a multiple of 4K, such as 10G")->required();
  create->add_flag("--thick", arguments->thick, "reserve all of its space now");
  create->callback([arguments, &chosen] {
    chosen = [arguments](CommandContext& context) { return CreateVolume(context, *arguments); };
  });
}

using VolumeVerb = absl::StatusOr<ExitCode> (*)(CommandContext&, const std::string&);

void AddVolumeVerb(CLI::App& volume, const std::string& verb, const std::string& description,
                   const char* type, VolumeVerb command, Command& chosen) {
  CLI::App* app = volume.add_subcommand(verb, description);
  auto name = std::make_shared<std::string>();
  app->add_option("NAME", *name, "the volume")->required()->type_name(type);
  app->callback([name, command, &chosen] {
    chosen = [name, command](CommandContext& context) { return command(context, *name); };
  });
}

void AddVolumeDelete(CLI::App& volume, Command& chosen) {
  CLI::App* app = volume.add_subcommand("delete", "delete a volume that nobody uses");
  auto name = std::make_shared<std::string>();
  auto degraded = std::make_shared<bool>(false);
  app->add_option("NAME", *name, "the volume")->required()->type_name(kVolumeType);
  AddDegraded(*app, *degraded);
  app->callback([name, degraded, &chosen] {
    chosen = [name, degraded](CommandContext& context) {
      return DeleteVolume(context, *name, *degraded);
    };
  });
}

}  // namespace

void AddVolumeCommands(CLI::App& app, Command& chosen) {
  CLI::App* volume = app.add_subcommand("volume", "volumes: files of the mount");
  volume->require_subcommand(1);
  AddVolumeCreate(*volume, chosen);
  AddVolumeImport(*volume, chosen);
  AddVolumeExport(*volume, chosen);
  volume->add_subcommand("list", "all volumes")->callback([&chosen] { chosen = ListVolumes; });
  AddVolumeVerb(*volume, "adopt", "make a volume of a file POOL/volumes/NAME as it is", kTextType,
                AdoptVolume, chosen);
  AddVolumeVerb(*volume, "show", "one volume", kVolumeType, ShowVolume, chosen);
  AddVolumeResize(*volume, chosen);
  AddVolumeRename(*volume, chosen);
  AddVolumeDelete(*volume, chosen);
}

}  // namespace baton
