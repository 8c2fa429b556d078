// baton node ...: what is done to another node of the pool.
#include <memory>
#include <string>

#include "cli/baton/commands.h"
#include "engine/base/names.h"
#include "engine/base/status.h"

namespace baton {
namespace {

absl::StatusOr<ExitCode> EvictNode(CommandContext& context, const std::string& node) {
  BATON_RETURN_IF_ERROR(CheckName(node));
  control::Request request;
  request.mutable_node_evict()->set_name(node);
  BATON_ASSIGN_OR_RETURN(const control::Response response, context.client->Call(request));
  if (context.console.json()) context.console.AnswerJson(response.evicted());
  context.console.Confirm(
      fmt::format("node {} is evicted: nothing that was asked in its mount before takes effect any "
                  "more",
                  node));
  return ExitCode::kDone;
}

}  // namespace

void AddNodeCommands(CLI::App& app, Command& chosen) {
  CLI::App* node = app.add_subcommand("node", "the other nodes of the pool");
  node->require_subcommand(1);
  CLI::App* evict = node->add_subcommand(
      "evict", "end a node's mount and what waits in it, for good; also of a node that is down");
  auto name = std::make_shared<std::string>();
  evict->add_option("NODE", *name, "the node")->required()->type_name(kNodeType);
  evict->callback([name, &chosen] {
    chosen = [name](CommandContext& context) { return EvictNode(context, *name); };
  });
}

}  // namespace baton
