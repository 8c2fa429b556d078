#include <string>

#include "cli/baton/commands.h"
#include "cli/baton/import.h"
#include "cli/baton/interrupt.h"
#include "cli/baton/patient_call.h"
#include "cli/baton/shown_copy.h"
#include "engine/base/boot_time.h"
#include "engine/base/names.h"
#include "engine/base/status.h"

namespace baton {
namespace {

using control::Request;
using control::Response;

struct ImportArguments {
  std::string name;
  std::string file;
  std::string format = "auto";
};

absl::StatusOr<VolumeStatus> CreatePartial(CommandContext& context, const std::string& name,
                                           uint64_t size_bytes) {
  Request request;
  auto& create = *request.mutable_volume_create();
  create.set_name(name);
  create.set_size_bytes(size_bytes);
  create.set_importing(true);
  BATON_ASSIGN_OR_RETURN(const Response response, context.client->Call(request));
  return response.volume();
}

absl::StatusOr<VolumeStatus> FinishImport(CommandContext& context, const std::string& name) {
  Request request;
  request.mutable_volume_finish_import()->set_name(name);
  BATON_ASSIGN_OR_RETURN(const Response response, context.client->Call(request));
  return response.volume();
}

// `why`, and what became of the volume that is not complete.
absl::Status GiveUpImport(CommandContext& context, const std::string& name,
                          const absl::Status& why) {
  const absl::Status deleted = DeleteClosedVolume(*context.client, name);
  if (deleted.ok()) {
    return Error(why.code(), "{}; the partial volume {} was deleted", Message(why), name);
  }
  return Error(why.code(), "{}; the partial volume {} is left, delete it by hand ({})",
               Message(why), name, Message(deleted));
}

absl::StatusOr<ExitCode> ImportVolume(CommandContext& context, const ImportArguments& arguments) {
  BATON_RETURN_IF_ERROR(CheckNewVolumeName(arguments.name));
  absl::StatusOr<ImportSource> source = OpenImportSource(
      arguments.file, arguments.format == "raw" ? ImportAs::kRaw : ImportAs::kRecognised);
  if (!source.ok()) return LocalFailure(source.status());
  CatchInterrupts();
  const absl::Duration begun = BootTime();
  BATON_ASSIGN_OR_RETURN(VolumeStatus volume,
                         CreatePartial(context, arguments.name, source->volume_bytes));
  const absl::Status copied =
      CopyWithProgress(context.console, source->size_bytes, [&](const CopyProgress& progress) {
        return CopyIntoVolume(*source, volume.path(), progress);
      });
  if (!copied.ok()) return GiveUpImport(context, arguments.name, copied);
  absl::StatusOr<VolumeStatus> finished = FinishImport(context, arguments.name);
  if (!finished.ok()) return GiveUpImport(context, arguments.name, finished.status());
  if (context.console.json()) context.console.AnswerJson(*finished);
  context.console.Confirm(fmt::format("volume {} imported: {} at {}, in {}", arguments.name,
                                      FormatSize(finished->size_bytes()), finished->path(),
                                      FormatElapsed(BootTime() - begun)));
  return ExitCode::kDone;
}

}  // namespace

void AddVolumeImport(CLI::App& volume, Command& chosen) {
  CLI::App* command = volume.add_subcommand("import", "make a volume of an image or a device");
  auto arguments = std::make_shared<ImportArguments>();
  command->add_option("NAME", arguments->name, "the volume to make")->required();
  command
      ->add_option("FILE", arguments->file,
                   "a block device, or an image: raw, qcow2, VMDK, "
                   "VHDX, VHD, VDI, or a raw one that is compressed")
      ->required()
      ->type_name(kFileType);
  command
      ->add_option("--format", arguments->format, "raw: take it as it is, whatever it looks like")
      ->check(CLI::IsMember({"auto", "raw"}))
      ->capture_default_str();
  command->callback([arguments, &chosen] {
    chosen = [arguments](CommandContext& context) { return ImportVolume(context, *arguments); };
  });
}

}  // namespace baton
