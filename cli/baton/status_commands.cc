#include <map>
#include <string>
#include <utility>
#include <vector>

#include "cli/baton/commands.h"
#include "cli/baton/progress_meter.h"
#include "cli/control/names_of.h"
#include "engine/base/names.h"
#include "engine/base/status.h"

namespace baton {
namespace {

using control::ControllerStatus;
using control::Request;

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

using Fields = std::vector<std::pair<std::string, std::string>>;

// What a controller with peers has to tell beyond that.
void AddPeers(const ControllerStatus& status, Fields& fields) {
  if (status.takeover().empty()) return;
  const std::string changed = status.epoch() == 0
                                  ? "not seen yet"
                                  : fmt::format("seen to change {} ms ago", status.lease_age_ms());
  fields.push_back({"lease", fmt::format("{}; takeover: {}", changed, status.takeover())});
  if (!status.proof_covers().empty()) fields.push_back({"covers", status.proof_covers()});
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

std::string DescribeController(const ControllerStatus& status) {
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
  std::string text = FormatFields(fields);
  for (const std::string& warning : status.warnings()) text += "\nwarning: " + warning;
  for (const std::string& problem : status.problems()) text += "\nproblem: " + problem;
  return text;
}

absl::StatusOr<ExitCode> ShowStatus(CommandContext& context) {
  Request request;
  request.mutable_status();
  BATON_ASSIGN_OR_RETURN(const control::Response response, context.client->Call(request));
  const ControllerStatus& status = response.status();
  if (context.console.json()) {
    context.console.AnswerJson(status);
  } else {
    context.console.Answer(DescribeController(status));
  }
  return status.healthy() ? ExitCode::kDone : ExitCode::kDegraded;
}

}  // namespace

void AddStatusCommand(CLI::App& app, Command& chosen) {
  app.add_subcommand("status", "this controller: role, epoch, clones, health (3: degraded)")
      ->callback([&chosen] { chosen = ShowStatus; });
}

}  // namespace baton
