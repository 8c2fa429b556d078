// activate, start, pause, resume, stop, set: commands that change what a clone does.
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "cli/baton/arguments.h"
#include "cli/baton/clone_arguments.h"
#include "cli/baton/clone_calls.h"
#include "cli/baton/clone_text.h"
#include "cli/baton/commands.h"
#include "engine/base/status.h"

namespace baton {
namespace {

using control::Request;

struct SetCloneArguments {
  std::string id;
  std::string rate;
  std::string latency_target;
};

using GroupCall = std::function<absl::StatusOr<control::CloneList>(
    control::ControlClient&, const std::vector<std::string>&)>;
using MutableClone = control::CloneName* (Request::*)();

absl::StatusOr<ExitCode> ChangeAll(CommandContext& context, const GroupCall& call,
                                   const std::vector<std::string>& ids) {
  BATON_ASSIGN_OR_RETURN(const control::CloneList list, call(*context.client, ids));
  if (context.console.json()) context.console.AnswerJson(list);
  for (const CloneStatus& clone : list.clones()) {
    context.console.Confirm(fmt::format("{} is {}", Title(clone), clone.state()));
  }
  return ExitCode::kDone;
}

std::string LatencyTargetSuffix(const CloneStatus& clone) {
  if (clone.latency_target_us() == 0) return "";
  return ", latency target " + FormatLatency(clone.latency_target_us(), "");
}

absl::StatusOr<ExitCode> ApplyChange(CommandContext& context, const Request& request) {
  BATON_ASSIGN_OR_RETURN(const control::Response response, context.client->Call(request));
  const CloneStatus& clone = response.clone();
  if (context.console.json()) context.console.AnswerJson(clone);
  context.console.Confirm(fmt::format("{} is {}, rate limit {}{}", Title(clone), clone.state(),
                                      FormatRate(clone.rate_bytes_per_second()),
                                      LatencyTargetSuffix(clone)));
  return ExitCode::kDone;
}

absl::StatusOr<ExitCode> SetClone(CommandContext& context, const SetCloneArguments& arguments) {
  BATON_RETURN_IF_ERROR(CheckCloneName(arguments.id));
  if (arguments.rate.empty() && arguments.latency_target.empty()) {
    return Error(absl::StatusCode::kInvalidArgument,
                 "clone set: say what to change, --rate or --latency-target");
  }
  Request rate_request;
  if (!arguments.rate.empty()) {
    BATON_ASSIGN_OR_RETURN(const uint64_t rate, ParseRate(arguments.rate));
    rate_request.mutable_clone_set()->set_clone(arguments.id);
    rate_request.mutable_clone_set()->set_rate_bytes_per_second(rate);
  }
  if (arguments.latency_target.empty()) return ApplyChange(context, rate_request);
  Request request;
  BATON_ASSIGN_OR_RETURN(const uint64_t target_us, ParseLatencyTarget(arguments.latency_target));
  request.mutable_clone_set_latency()->set_clone(arguments.id);
  request.mutable_clone_set_latency()->set_latency_target_us(target_us);
  if (!arguments.rate.empty()) {
    BATON_RETURN_IF_ERROR(context.client->Call(rate_request).status());
  }
  return ApplyChange(context, request);
}

CLI::App* AddGroupChange(CLI::App& clone, const std::string& verb, const std::string& description,
                         const GroupCall& call, Command& chosen) {
  CLI::App* app = clone.add_subcommand(verb, description);
  auto ids = std::make_shared<std::vector<std::string>>();
  app->add_option("ID", *ids, "the clones' numbers, or their targets")
      ->required()
      ->type_name(kCloneType);
  app->callback([ids, call, &chosen] {
    chosen = [ids, call](CommandContext& context) { return ChangeAll(context, call, *ids); };
  });
  return app;
}

void AddActivate(CLI::App& clone, Command& chosen) {
  auto degraded = std::make_shared<bool>(false);
  CLI::App* app = AddGroupChange(
      clone, "activate", "discard the targets' content and make the clones ready to start",
      [degraded](control::ControlClient& client, const std::vector<std::string>& ids) {
        return CallActivate(client, ids, *degraded);
      },
      chosen);
  AddDegraded(*app, *degraded);
}

void AddChange(CLI::App& clone, const std::string& verb, const std::string& description,
               MutableClone mutable_clone, Command& chosen) {
  CLI::App* app = clone.add_subcommand(verb, description);
  auto id = std::make_shared<std::string>();
  AddCloneId(*app, *id);
  app->callback([id, mutable_clone, &chosen] {
    chosen = [id, mutable_clone](CommandContext& context) -> absl::StatusOr<ExitCode> {
      BATON_RETURN_IF_ERROR(CheckCloneName(*id));
      Request request;
      (request.*mutable_clone)()->set_clone(*id);
      return ApplyChange(context, request);
    };
  });
}

void AddCloneSet(CLI::App& clone, Command& chosen) {
  CLI::App* set = clone.add_subcommand("set", "change a clone while it runs");
  auto arguments = std::make_shared<SetCloneArguments>();
  AddCloneId(*set, arguments->id);
  set->add_option("--rate", arguments->rate, "limit of the background copy: 100M/s, or unlimited");
  set->add_option("--latency-target", arguments->latency_target,
                  "the background copy keeps the p99 of hosts' requests below it: 5ms, or off");
  set->callback([arguments, &chosen] {
    chosen = [arguments](CommandContext& context) { return SetClone(context, *arguments); };
  });
}

}  // namespace

void AddCloneChanges(CLI::App& clone, Command& chosen) {
  AddActivate(clone, chosen);
  AddGroupChange(clone, "start", "take T0, the same for all named, and begin to copy", CallStart,
                 chosen);
  AddChange(clone, "pause", "pause the background copy", &Request::mutable_clone_pause, chosen);
  AddChange(clone, "resume", "go on with the background copy", &Request::mutable_clone_resume,
            chosen);
  AddChange(clone, "stop", "abandon a clone; its target goes offline", &Request::mutable_clone_stop,
            chosen);
  AddCloneSet(clone, chosen);
}

}  // namespace baton
