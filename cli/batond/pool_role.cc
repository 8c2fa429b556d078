#include "cli/batond/pool_role.h"

#include <spdlog/spdlog.h>

#include "cli/control/issues.h"
#include "cli/control/names_of.h"
#include "cli/service/ha_status_reply.h"
#include "engine/base/status.h"

namespace baton {

void LoneRole::Describe(control::ControllerStatus& status) const {
  const absl::Status fault = end_.fault().ok() ? epoch_.Check() : end_.fault();
  const std::string role = NameOf(fault.ok() ? control::Role::kOwner : control::Role::kNone);
  status.set_role(role);
  if (fault.ok()) status.set_owner(node_);
  if (!fault.ok() && end_.fault().ok()) {
    AddProblem(control::IssueKind::kOther, Message(fault), status);
  }
  status.set_epoch(epoch_.epoch());
  status.set_proof(Name(epoch_.proof()));
  control::NodeStatus& node = *status.add_nodes();
  node.set_name(node_);
  node.set_role(role);
  node.set_reachable(true);
}

void PeeredRole::Describe(control::ControllerStatus& status) const {
  DescribeHa(node_.Describe(), status);
}

absl::Status RoleSlot::RecordEvent(const std::string& kind, const std::string& text) const {
  PoolRole* const role = get();
  if (role == nullptr) return absl::FailedPreconditionError("this controller is starting");
  return role->RecordEvent(kind, text);
}

void RoleSlot::NoteCommand(const std::string& line, bool in_events) const {
  const PoolRole* const role = get();
  const bool is_logged = in_events && role != nullptr && role->LogsEvents();
  if (!is_logged) spdlog::info("command: {}", line);
  if (!in_events) return;
  const absl::Status recorded = RecordEvent("command", line);
  if (!recorded.ok()) spdlog::warn("an event is missing: {}", Message(recorded));
}

}  // namespace baton
