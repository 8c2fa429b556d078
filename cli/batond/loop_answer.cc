#include "cli/batond/loop_answer.h"

#include <absl/status/status.h>
#include <unistd.h>

#include "cli/control/control.h"
#include "cli/control/control.pb.h"
#include "cli/control/issues.h"
#include "cli/control/names_of.h"

namespace baton::control {
namespace {

void DescribeNobody(const std::string& node, const std::string& problem, ControllerStatus& status) {
  status.set_node(node);
  status.set_role(NameOf(Role::kNone));
  AddProblem(IssueKind::kCrashLoop, problem, status);
  status.set_version(BATON_VERSION);
  status.set_keeper_pid(static_cast<uint32_t>(::getpid()));
  NodeStatus& self = *status.add_nodes();
  self.set_name(node);
  self.set_role(NameOf(Role::kNone));
}

}  // namespace

std::optional<std::string> AnswerForController(const std::string& node, const std::string& bytes,
                                               const std::string& problem) {
  Request request;
  if (!Decode(bytes, request)) return std::nullopt;
  Response response;
  response.set_version(kControlVersion);
  if (request.has_status()) {
    DescribeNobody(node, problem, *response.mutable_status());
  } else {
    response.set_code(static_cast<uint32_t>(absl::StatusCode::kAborted));
    response.set_message(problem);
  }
  return Encode(response);
}

}  // namespace baton::control
