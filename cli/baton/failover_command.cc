// baton failover: a planned change of owner, or an operator's word in an emergency.
#include <memory>
#include <optional>
#include <string>

#include "cli/baton/arguments.h"
#include "cli/baton/commands.h"
#include "engine/base/names.h"
#include "engine/base/status.h"

namespace baton {
namespace {

using control::FailoverDone;
using control::Request;

struct FailoverArguments {
  std::optional<std::string> to;
  double timeout_seconds = 30;
  bool owner_is_dead = false;
};

std::string DescribeFailover(const FailoverDone& done) {
  if (done.timed_out()) {
    return fmt::format("the pool has no new owner after {} ms (before: {}); see `baton status`",
                       done.waited_ms(), done.from().empty() ? "nobody" : done.from());
  }
  if (done.unchanged()) {
    return fmt::format("node {} owns the pool already (epoch {}): nothing to do", done.owner(),
                       done.epoch());
  }
  return fmt::format("node {} owns the pool (epoch {}) after {} ms; before: {}", done.owner(),
                     done.epoch(), done.waited_ms(), done.from().empty() ? "nobody" : done.from());
}

absl::StatusOr<ExitCode> RunFailover(CommandContext& context, const FailoverArguments& arguments) {
  Request request;
  if (arguments.to) {
    BATON_RETURN_IF_ERROR(CheckName(*arguments.to));
    request.mutable_failover()->set_to(*arguments.to);
  }
  request.mutable_failover()->set_timeout_ms(
      static_cast<uint64_t>(arguments.timeout_seconds * 1000));
  request.mutable_failover()->set_owner_is_dead(arguments.owner_is_dead);
  BATON_ASSIGN_OR_RETURN(const control::Response response, context.client->Call(request));
  const FailoverDone& done = response.failover();
  if (done.timed_out()) {
    return Error(absl::StatusCode::kDeadlineExceeded, "{}", DescribeFailover(done));
  }
  if (context.console.json()) {
    context.console.AnswerJson(done);
  } else {
    context.console.Answer(DescribeFailover(done));
  }
  return ExitCode::kDone;
}

}  // namespace

void AddFailoverCommand(CLI::App& app, Command& chosen) {
  auto arguments = std::make_shared<FailoverArguments>();
  CLI::App* command =
      app.add_subcommand("failover", "hand the pool over to another controller; I/O goes on");
  command->add_option("--to", arguments->to, "the node that is to own the pool")
      ->type_name(kNodeType);
  command
      ->add_option("--timeout", arguments->timeout_seconds,
                   "SECONDS to wait for it (exit code 5 after that)")
      ->check(SecondsFrom(0.1, 86400))
      ->capture_default_str();
  command->add_flag("--owner-is-dead", arguments->owner_is_dead,
                    "where nobody can prove it: you vouch that the owner's node is off");
  command->callback([&chosen, arguments] {
    chosen = [arguments](CommandContext& context) { return RunFailover(context, *arguments); };
  });
}

}  // namespace baton
