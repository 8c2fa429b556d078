// create, delete, list, status, residual: commands that ask once and print.
#include <string>
#include <vector>

#include "cli/baton/clone_arguments.h"
#include "cli/baton/clone_calls.h"
#include "cli/baton/clone_text.h"
#include "cli/baton/commands.h"
#include "cli/control/fetch_all.h"
#include "engine/base/status.h"

namespace baton {
namespace {

using control::Request;
using control::Response;

struct ResidualArguments {
  std::string id;
  bool extents = false;
};

void AnswerId(Console& console, uint64_t id) {
  if (!console.json()) return console.Answer(fmt::format("{}", id));
  control::CloneId answer;
  answer.set_id(id);
  console.AnswerJson(answer);
}

absl::StatusOr<ExitCode> CreateClone(CommandContext& context,
                                     const CreateCloneArguments& arguments) {
  BATON_ASSIGN_OR_RETURN(const uint64_t id, CallCreateClone(*context.client, arguments));
  AnswerId(context.console, id);
  return ExitCode::kDone;
}

absl::StatusOr<ExitCode> DeleteClone(CommandContext& context, const std::string& clone) {
  BATON_ASSIGN_OR_RETURN(const uint64_t id, CallDeleteClone(*context.client, clone));
  if (context.console.json()) AnswerId(context.console, id);
  context.console.Confirm(fmt::format("clone {} deleted", id));
  return ExitCode::kDone;
}

absl::StatusOr<ExitCode> ListClones(CommandContext& context) {
  const auto call = [&](const Request& request) { return context.client->Call(request); };
  BATON_ASSIGN_OR_RETURN(const control::CloneList list, control::FetchAllClones(call));
  if (context.console.json()) {
    context.console.AnswerJson(list);
  } else {
    context.console.Answer(CloneTable({list.clones().begin(), list.clones().end()}));
  }
  return ExitCode::kDone;
}

absl::StatusOr<ExitCode> ShowClone(CommandContext& context, const std::string& id) {
  BATON_ASSIGN_OR_RETURN(const CloneStatus clone, CallCloneStatus(*context.client, id));
  if (context.console.json()) {
    context.console.AnswerJson(clone);
  } else {
    context.console.Answer(CloneFields(clone));
  }
  return ExitCode::kDone;
}

void AnswerRuns(Console& console, const std::string& kind,
                const google::protobuf::RepeatedPtrField<ExtentRun>& runs) {
  for (const ExtentRun& run : runs) console.Answer(fmt::format("{}  {}", kind, FormatRun(run)));
}

absl::StatusOr<ExitCode> ShowResidual(CommandContext& context, const ResidualArguments& arguments) {
  Console& console = context.console;
  BATON_ASSIGN_OR_RETURN(const control::ResidualAnswer answer,
                         CallResidual(*context.client, arguments.id, arguments.extents));
  const Residual& residual = answer.residual();
  if (console.json()) {
    console.AnswerJson(residual);
  } else {
    console.Answer(ResidualFields(residual));
    AnswerRuns(console, "copying", residual.copying());
    AnswerRuns(console, "landing", residual.landing());
    AnswerRuns(console, "pending", residual.pending());
  }
  if (answer.runs_left_out() > 0) {
    console.Complain(fmt::format("{} more runs of extents are not listed", answer.runs_left_out()));
  }
  return ExitCode::kDone;
}

using CloneVerb = absl::StatusOr<ExitCode> (*)(CommandContext&, const std::string&);

void AddCloneVerb(CLI::App& clone, const std::string& verb, const std::string& description,
                  CloneVerb command, Command& chosen) {
  CLI::App* app = clone.add_subcommand(verb, description);
  auto id = std::make_shared<std::string>();
  AddCloneId(*app, *id);
  app->callback([id, command, &chosen] {
    chosen = [id, command](CommandContext& context) { return command(context, *id); };
  });
}

void AddCloneCreate(CLI::App& clone, Command& chosen) {
  CLI::App* create = clone.add_subcommand("create", "relate two volumes; prints the clone's id");
  auto arguments = std::make_shared<CreateCloneArguments>();
  AddCreateOptions(*create, *arguments);
  create->callback([arguments, &chosen] {
    chosen = [arguments](CommandContext& context) { return CreateClone(context, *arguments); };
  });
}

void AddResidual(CLI::App& clone, Command& chosen) {
  CLI::App* residual = clone.add_subcommand("residual", "what is not yet safely in the target");
  auto arguments = std::make_shared<ResidualArguments>();
  AddCloneId(*residual, arguments->id);
  residual->add_flag("--extents", arguments->extents, "list the extents, in runs");
  residual->callback([arguments, &chosen] {
    chosen = [arguments](CommandContext& context) { return ShowResidual(context, *arguments); };
  });
}

}  // namespace

CLI::Option* AddCloneId(CLI::App& app, std::string& id) {
  return app.add_option("ID", id, "the clone's number, or its target")
      ->required()
      ->type_name(kCloneType);
}

void AddCreateOptions(CLI::App& app, CreateCloneArguments& arguments) {
  app.add_option("SRC", arguments.source, "the volume to copy")->required()->type_name(kVolumeType);
  app.add_option("DST", arguments.target, "the volume to copy to; its content is lost")
      ->required()
      ->type_name(kVolumeType);
  app.add_option("--extent", arguments.extent, "the unit of copying, a power of two, 4K to 4M")
      ->capture_default_str();
  app.add_option("--rate", arguments.rate, "limit of the background copy, such as 100M/s")
      ->capture_default_str();
  app.add_option("--latency-target", arguments.latency_target,
                 "the background copy keeps the p99 of hosts' requests below it, such as 5ms")
      ->capture_default_str();
  app.add_option("--on-error", arguments.on_error,
                 "when the old content cannot be preserved: the clone fails, or the host's write")
      ->check(CLI::IsMember({"fail-clone", "fail-write"}))
      ->capture_default_str();
  app.add_flag("--no-digests", arguments.no_digests, "keep no checksums: verify is not possible");
  AddDegraded(app, arguments.degraded);
}

void AddDegraded(CLI::App& app, bool& degraded) {
  app.add_flag("--degraded", degraded,
               "although another controller is down; its node must have nothing open, or be off");
}

void AddCloneCommands(CLI::App& app, Command& chosen) {
  CLI::App* clone = app.add_subcommand("clone", "clones: a volume's content as of one instant");
  clone->require_subcommand(1);
  AddCloneCreate(*clone, chosen);
  AddCloneChanges(*clone, chosen);
  AddCloneVerb(*clone, "delete",
               "forget a clone that does not run; a target that it emptied and never completed "
               "becomes zeros",
               DeleteClone, chosen);
  clone->add_subcommand("list", "all clones")->callback([&chosen] { chosen = ListClones; });
  AddCloneVerb(*clone, "status", "one clone", ShowClone, chosen);
  AddResidual(*clone, chosen);
  AddCloneFollowers(*clone, chosen);
  AddCloneVerify(*clone, chosen);
}

}  // namespace baton
