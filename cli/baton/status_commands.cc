#include <absl/strings/str_join.h>
#include <absl/strings/str_split.h>

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "cli/baton/arguments.h"
#include "cli/baton/commands.h"
#include "cli/baton/interrupt.h"
#include "cli/baton/progress_meter.h"
#include "cli/control/names_of.h"
#include "engine/base/names.h"
#include "engine/base/status.h"

namespace baton {
namespace {

using control::ControllerStatus;
using control::Request;

constexpr double kDefaultWatchSeconds = 2;

// "2 copying, 1 completed"
std::string CountClones(const ControllerStatus& status) {
  std::map<std::string, int> counts;
  for (const CloneStatus& clone : status.clones()) ++counts[clone.state()];
  std::string text;
  for (const auto& [state, count] : counts) {
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", count, state);
  }
  if (status.clones_left_out() > 0) text += fmt::format(" and {} more", status.clones_left_out());
  return text.empty() ? "none" : text;
}

std::string DescribeKeeper(const ControllerStatus& status) {
  if (status.keeper_pid() == 0) return "none";
  std::string text = fmt::format("process {}, {} restarts", status.keeper_pid(), status.restarts());
  if (status.serving_after_ms() > 0) {
    text += fmt::format(", the last one after {} ms", status.serving_after_ms());
  }
  return text;
}

// "owner, epoch 3, heard 40 ms ago"
std::string DescribeNode(const ControllerStatus& status, const control::NodeStatus& node) {
  if (node.name() == status.node())
    return fmt::format("{} (this one){}{}", node.role(), node.state().empty() ? "" : ", ",
                       node.state());
  const std::string evicted = node.evicted() ? ", evicted" : "";
  if (!node.reachable()) return "not reachable" + evicted;
  return fmt::format("{}, {}, epoch {}, heard {} ms ago{}", node.role(), node.state(), node.epoch(),
                     node.heard_ms(), evicted);
}

// "8 MiB of 256 MiB in use"
std::string DescribeWriteLog(const WriteLogStatus& log) {
  if (log.room_bytes() == 0 && log.logged_bytes() == 0) return "not in use";
  return fmt::format("{} of {} in use", FormatSize(log.used_bytes()), FormatSize(log.room_bytes()));
}

// "process 0.3 s (certificate), node 5.2 s (lease)"
std::string DescribeForecasts(const ControllerStatus& status) {
  std::string text;
  for (const control::TakeoverForecast& each : status.takeover_forecast()) {
    text += fmt::format("{}{} ", text.empty() ? "programs wait: " : ", ", each.loss());
    text +=
        each.proof().empty()
            ? "without end, nobody takes over"
            : fmt::format("{:.1f} s ({})", static_cast<double>(each.wait_ms()) / 1e3, each.proof());
  }
  return text;
}

using Fields = std::vector<std::pair<std::string, std::string>>;

// What a controller with peers has to tell beyond that.
void AddPeers(const ControllerStatus& status, Fields& fields) {
  if (status.takeover().empty()) return;
  const std::string changed = status.epoch() == 0
                                  ? "not seen yet"
                                  : fmt::format("seen to change {} ms ago", status.lease_age_ms());
  fields.push_back({"lease", fmt::format("{}; takeover: {}", changed, status.takeover())});
  if (!status.proof_covers().empty()) fields.push_back({"covers", status.proof_covers()});
  if (status.takeover_forecast_size() > 0) {
    fields.push_back({"if lost", DescribeForecasts(status)});
  }
  if (status.view_sequence() > 0) {
    fields.push_back(
        {"follows", fmt::format("metadata up to write {}, {} behind; {} clones warm",
                                status.view_sequence(), status.view_behind(), status.warm_size())});
  }
  for (const control::NodeStatus& node : status.nodes()) {
    fields.push_back({"node " + node.name(), DescribeNode(status, node)});
  }
}

// "76.3 GiB of 252 GiB free"
std::string DescribeSpace(const ControllerStatus& status) {
  if (status.pool_total_bytes() == 0) return "free space not known yet";
  return fmt::format("{} of {} free", FormatSize(status.pool_free_bytes()),
                     FormatSize(status.pool_total_bytes()));
}

// Of a terminal.
constexpr int kRed = 31, kGreen = 32, kYellow = 33;

std::string Coloured(const Console& console, int colour, const std::string& text) {
  return console.has_colours() ? fmt::format("\x1b[{}m{}\x1b[0m", colour, text) : text;
}

Fields FieldsOf(const ControllerStatus& status) {
  const std::string role =
      status.role() == NameOf(control::Role::kOwner)
          ? fmt::format("owner of epoch {} (proof: {})", status.epoch(), status.proof())
          : fmt::format("{}; the owner is {}, epoch {}", status.role(),
                        status.owner().empty() ? "nobody" : status.owner(), status.epoch());
  Fields fields = {
      {"node", fmt::format("{}, {}", status.node(), role)},
      {"health", status.healthy() ? "healthy" : "degraded"},
      {"pool", fmt::format("{}, durability {}, {}", status.pool(), status.durability(),
                           DescribeSpace(status))},
      {"mount", status.mount()},
      {"open", fmt::format("{} files", status.open_files())},
      {"clones", CountClones(status)},
      {"running", fmt::format("{}, process {}, version {}",
                              FormatElapsed(absl::Seconds(status.uptime_seconds())), status.pid(),
                              status.version())},
      {"keeper", DescribeKeeper(status)},
  };
  if (status.has_write_log()) {
    fields.push_back({"write log", DescribeWriteLog(status.write_log())});
  }
  AddPeers(status, fields);
  return fields;
}

// What there is to do stands first.
std::string DescribeController(const Console& console, const ControllerStatus& status) {
  std::string text;
  for (const std::string& problem : status.problems()) {
    text += Coloured(console, kRed, "problem: " + problem) + "\n";
  }
  for (const std::string& warning : status.warnings()) {
    text += Coloured(console, kYellow, "warning: " + warning) + "\n";
  }
  std::vector<std::string> lines = absl::StrSplit(FormatFields(FieldsOf(status)), '\n');
  std::string& health = lines[1];
  health = Coloured(console, status.healthy() ? kGreen : kRed, health);
  return text + absl::StrJoin(lines, "\n");
}

absl::StatusOr<ControllerStatus> FetchStatus(CommandContext& context) {
  Request request;
  request.mutable_status();
  BATON_ASSIGN_OR_RETURN(control::Response response, context.client->Call(request));
  return std::move(*response.mutable_status());
}

absl::StatusOr<ExitCode> ShowStatus(CommandContext& context) {
  BATON_ASSIGN_OR_RETURN(const ControllerStatus status, FetchStatus(context));
  if (context.console.json()) {
    context.console.AnswerJson(status);
  } else {
    context.console.Answer(DescribeController(context.console, status));
  }
  return status.healthy() ? ExitCode::kDone : ExitCode::kDegraded;
}

// On a terminal each look takes the place of the one before, and no more than there is of it.
void ShowLook(Console& console, const std::string& text) {
  const size_t height = console.height();
  if (height == 0) return console.Answer(text + "\n");
  std::vector<std::string> lines = absl::StrSplit(text, '\n');
  if (lines.size() >= height) lines.resize(height - 1);
  console.Answer("\x1b[H\x1b[J" + absl::StrJoin(lines, "\n"));
}

// A controller that is away is looked for again: that it is away is what somebody may be waiting to
// see the end of.
absl::StatusOr<ExitCode> WatchStatus(CommandContext& context, double seconds) {
  Console& console = context.console;
  CatchInterrupts();
  while (!Interrupted() && console.written().ok()) {
    const absl::StatusOr<ControllerStatus> status = FetchStatus(context);
    if (!status.ok() && ExitCodeOf(status.status()) == ExitCode::kRefused) return status.status();
    if (console.json()) {
      if (status.ok()) console.AnswerJsonLine(*status);
    } else {
      ShowLook(console, status.ok()
                            ? DescribeController(console, *status)
                            : Coloured(console, kRed, "problem: " + Message(status.status())));
    }
    SleepUnlessInterrupted(absl::Seconds(seconds));
  }
  return ExitCode::kDone;
}

}  // namespace

void AddStatusCommand(CLI::App& app, Command& chosen) {
  CLI::App* command =
      app.add_subcommand("status", "this controller: role, epoch, clones, health (3: degraded)");
  auto seconds = std::make_shared<double>(kDefaultWatchSeconds);
  CLI::Option* watch =
      command
          ->add_option("--watch", *seconds,
                       "look again and again, every 2 SECONDS by default, until Ctrl-C")
          ->expected(0, 1)
          ->type_name("SECONDS")
          ->check(SecondsFrom(0.1, 86400));
  command->callback([seconds, watch, &chosen] {
    if (watch->count() == 0) {
      chosen = ShowStatus;
    } else {
      chosen = [seconds](CommandContext& context) { return WatchStatus(context, *seconds); };
    }
  });
}

}  // namespace baton
