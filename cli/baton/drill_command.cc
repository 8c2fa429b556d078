// baton drill: a failover is rehearsed, and what it cost is told.
#include <fmt/format.h>
#include <unistd.h>

#include <iostream>
#include <memory>
#include <optional>
#include <string>

#include "cli/baton/arguments.h"
#include "cli/baton/commands.h"
#include "cli/baton/drill.h"
#include "cli/baton/interrupt.h"
#include "engine/base/names.h"
#include "engine/base/status.h"

namespace baton {
namespace {

using control::DrillReport;
using control::DrillStep;

constexpr uint64_t kLeastBytes = uint64_t{4} << 20;

struct DrillArguments {
  std::string drill;
  std::string size = "64M";
  std::optional<double> longest_wait_seconds;
  double partition_seconds = 3;
  bool yes = false;
};

// What the users of the pool notice; empty: next to nothing.
std::string CostOf(const DrillArguments& arguments) {
  if (arguments.drill == "crash") {
    return "the owner's controller is killed: all programs that use the pool wait until another "
           "one goes on";
  }
  if (arguments.drill != "partition") return "";
  return fmt::format(
      "the owner is cut off from its peers: programs on the other nodes wait for {} s",
      arguments.partition_seconds);
}

absl::Status Confirm(const CommandContext& context, const DrillArguments& arguments) {
  const std::string cost = CostOf(arguments);
  if (cost.empty() || arguments.yes) return absl::OkStatus();
  const bool may_ask = !context.console.json() && !context.console.quiet() &&
                       ::isatty(STDIN_FILENO) == 1 && ::isatty(STDERR_FILENO) == 1;
  if (!may_ask) {
    return Error(absl::StatusCode::kFailedPrecondition, "{}; confirm it with --yes", cost);
  }
  std::cerr << fmt::format("{}. Go on? Type yes: ", cost) << std::flush;
  std::string answer;
  std::getline(std::cin, answer);
  if (answer == "yes") return absl::OkStatus();
  return Error(absl::StatusCode::kCancelled, "not confirmed; nothing was done");
}

std::string DescribeStep(const DrillStep& step) {
  const std::string limit =
      step.limit_ms() == 0 ? "no limit" : fmt::format("at most {} ms", step.limit_ms());
  return fmt::format("node {} owns the pool (epoch {}, proof: {}); longest wait {} ms ({})",
                     step.owner(), step.epoch(), step.proof(), step.longest_wait_ms(), limit);
}

std::string DescribeReport(const DrillReport& report) {
  std::vector<std::pair<std::string, std::string>> fields = {
      {"drill", fmt::format("{}, volume {} of {}", report.drill(), report.volume(),
                            FormatSize(report.size_bytes()))}};
  for (const DrillStep& step : report.steps()) {
    fields.emplace_back(step.name(), DescribeStep(step));
    if (!step.proof_covers().empty()) fields.emplace_back("", "covers " + step.proof_covers());
  }
  if (report.killed_pid() != 0) {
    fields.emplace_back("killed", fmt::format("process {}", report.killed_pid()));
  }
  fields.emplace_back("requests",
                      fmt::format("{} writes, {} reads", report.writes(), report.reads()));
  fields.emplace_back("compared", FormatSize(report.compared_bytes()));
  if (!report.certificate().empty()) {
    fields.emplace_back("clone", "completed, certificate " + report.certificate());
  }
  for (const std::string& failure : report.failures()) fields.emplace_back("failed", failure);
  for (const std::string& command : report.left()) fields.emplace_back("left, remove", command);
  return FormatFields(fields);
}

absl::StatusOr<ExitCode> Answer(CommandContext& context, const DrillReport& report) {
  if (context.console.json()) {
    context.console.AnswerJson(report);
  } else {
    context.console.Answer(DescribeReport(report));
  }
  if (report.passed()) {
    context.console.Confirm("PASSED");
    return ExitCode::kDone;
  }
  const int more = report.failures_size() - 1;
  return Error(absl::StatusCode::kFailedPrecondition, "the drill FAILED: {}{}", report.failures(0),
               more == 0 ? "" : fmt::format(" (and {} more)", more));
}

absl::StatusOr<ExitCode> RunDrill(CommandContext& context, const DrillArguments& arguments) {
  DrillOptions options;
  options.drill = arguments.drill;
  BATON_ASSIGN_OR_RETURN(options.size_bytes, ParseSize(arguments.size));
  BATON_RETURN_IF_ERROR(CheckVolumeSize(options.size_bytes));
  if (options.size_bytes < kLeastBytes) {
    return Error(absl::StatusCode::kInvalidArgument, "the volume of a drill has at least {}",
                 FormatSize(kLeastBytes));
  }
  if (arguments.longest_wait_seconds) {
    options.longest_wait = absl::Seconds(*arguments.longest_wait_seconds);
  }
  options.partition = absl::Seconds(arguments.partition_seconds);
  BATON_RETURN_IF_ERROR(Confirm(context, arguments));
  CatchInterrupts();
  BATON_ASSIGN_OR_RETURN(const DrillReport report, Drill(context, options).Run());
  return Answer(context, report);
}

void AddDrill(CLI::App& drill, const std::string& name, const std::string& what, bool confirms,
              Command& chosen) {
  CLI::App* command = drill.add_subcommand(name, what);
  auto arguments = std::make_shared<DrillArguments>();
  arguments->drill = name;
  command
      ->add_option("--size", arguments->size, "of the test volume, a multiple of 4K, from 4M to 1G")
      ->capture_default_str();
  command
      ->add_option("--longest-wait", arguments->longest_wait_seconds,
                   "SECONDS that a request may wait (the published limit of the proof)")
      ->check(SecondsFrom(0.01, 3600));
  if (name == "partition") {
    command
        ->add_option("--seconds", arguments->partition_seconds,
                     "how long, from 2 to 30; it is over by itself")
        ->check(SecondsFrom(2, 30))
        ->capture_default_str();
  }
  if (confirms) command->add_flag("--yes,-y", arguments->yes, "do not ask: users of the pool wait");
  command->callback([arguments, &chosen] {
    chosen = [arguments](CommandContext& context) { return RunDrill(context, *arguments); };
  });
}

}  // namespace

void AddDrillCommands(CLI::App& app, Command& chosen) {
  CLI::App* drill =
      app.add_subcommand("drill", "rehearse a failover with a test volume; all bytes are compared");
  drill->require_subcommand(1);
  AddDrill(*drill, "handover", "hand the pool to a peer and back", false, chosen);
  AddDrill(*drill, "crash", "kill the owner's controller process", true, chosen);
  AddDrill(*drill, "partition", "cut the owner off from its peers for a while", true, chosen);
}

}  // namespace baton
