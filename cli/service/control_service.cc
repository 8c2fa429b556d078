#include "cli/service/control_service.h"

#include <algorithm>
#include <utility>

#include "cli/control/control.h"
#include "cli/service/reply_budget.h"
#include "engine/base/names.h"
#include "engine/base/status.h"

namespace baton::control {
namespace {

constexpr size_t kDefaultEvents = 1000;
constexpr int kMaxProblems = 16;  // in one status

template <typename Result>
absl::Status Put(absl::StatusOr<Result> result, Result* place) {
  if (!result.ok()) return result.status();
  *place = *std::move(result);
  return absl::OkStatus();
}

// The client takes these two for the state of the connection.
absl::StatusCode CodeForClient(absl::StatusCode code) {
  const bool reserved =
      code == absl::StatusCode::kUnavailable || code == absl::StatusCode::kDeadlineExceeded;
  return reserved ? absl::StatusCode::kAborted : code;
}

}  // namespace

Response Refusal(const absl::Status& status) {
  Response response;
  response.set_version(kControlVersion);
  response.set_code(static_cast<uint32_t>(CodeForClient(status.code())));
  response.set_message(Message(status));
  return response;
}

std::optional<Response> RefusedVersion(const Request& request) {
  if (request.version() == kControlVersion) return std::nullopt;
  return Refusal(Error(
      absl::StatusCode::kFailedPrecondition,
      "the controller speaks version {} of the control protocol, the client {}; install the same "
      "version of both",
      kControlVersion, request.version()));
}

void AddClones(std::vector<CloneStatus> clones, ControllerStatus& status) {
  ReplyBudget budget;
  for (CloneStatus& clone : clones) {
    if (clone.state() == "failed" && status.problems_size() < kMaxProblems) {
      status.add_problems(fmt::format("clone {} ({} -> {}) failed: {}", clone.id(), clone.source(),
                                      clone.target(), clone.error()));
    }
    if (budget.Take(clone)) {
      *status.add_clones() = std::move(clone);
    } else {
      status.set_clones_left_out(status.clones_left_out() + 1);
    }
  }
}

ControlService::ControlService(Options options)
    : options_(std::move(options)),
      volumes_(options_.engine, options_.mount, options_.peers.await_opens),
      clones_(options_.engine, options_.content_changed, options_.peers),
      verify_jobs_(options_.engine, options_.runtime) {
  AddStatusAndEvents();
  AddNodeCommands();
  AddVolumeCommands();
  AddCloneCommands();
  AddCloneChanges();
  AddVerifyCommands();
}

std::optional<std::string> ControlService::Handle(const std::string& bytes) {
  Request request;
  if (!Decode(bytes, request) || request.version() == 0) return std::nullopt;
  if (const std::optional<Response> refused = RefusedVersion(request)) return Encode(*refused);
  if (request.command_case() == Request::COMMAND_NOT_SET) return std::nullopt;
  return Encode(Execute(request));
}

Response ControlService::Execute(const Request& request) {
  const auto command = commands_.find(request.command_case());
  if (command == commands_.end()) {
    return Refusal(Error(absl::StatusCode::kUnimplemented, "the controller has no such command"));
  }
  Response response;
  response.set_version(kControlVersion);
  const absl::Status status = command->second(request, response);
  options_.audit.Note(request, status);
  return status.ok() ? response : Refusal(status);
}

void ControlService::AddStatusAndEvents() {
  commands_[Request::kStatus] = [this](const Request&, Response& response) {
    *response.mutable_status() = Status();
    return absl::OkStatus();
  };
  commands_[Request::kEvents] = [this](const Request& request, Response& response) {
    return Put(Events(request.events()), response.mutable_events());
  };
  commands_[Request::kUpgrade] = [this](const Request&, Response& response) {
    return Put(options_.upgrade(), response.mutable_upgrade());
  };
}

void ControlService::AddNodeCommands() {
  commands_[Request::kNodeEvict] = [this](const Request& request, Response& response) {
    return Put(Evict(request.node_evict()), response.mutable_evicted());
  };
}

void ControlService::AddVolumeCommands() {
  commands_[Request::kVolumeCreate] = [this](const Request& request, Response& response) {
    return Put(volumes_.Create(request.volume_create()), response.mutable_volume());
  };
  commands_[Request::kVolumeFinishImport] = [this](const Request& request, Response& response) {
    return Put(volumes_.FinishImport(request.volume_finish_import()), response.mutable_volume());
  };
  commands_[Request::kVolumeList] = [this](const Request& request, Response& response) {
    return Put(volumes_.List(request.volume_list()), response.mutable_volumes());
  };
  commands_[Request::kVolumeShow] = [this](const Request& request, Response& response) {
    return Put(volumes_.Show(request.volume_show()), response.mutable_volume());
  };
  commands_[Request::kVolumeAdopt] = [this](const Request& request, Response& response) {
    return Put(volumes_.Adopt(request.volume_adopt()), response.mutable_volume());
  };
  commands_[Request::kVolumeDelete] = [this](const Request& request, Response& response) {
    return Put(volumes_.Delete(request.volume_delete()), response.mutable_done());
  };
}

void ControlService::AddCloneCommands() {
  commands_[Request::kCloneCreate] = [this](const Request& request, Response& response) {
    return Put(clones_.Create(request.clone_create()), response.mutable_clone_id());
  };
  commands_[Request::kCloneDelete] = [this](const Request& request, Response& response) {
    return Put(clones_.Delete(request.clone_delete()), response.mutable_clone_id());
  };
  commands_[Request::kCloneList] = [this](const Request& request, Response& response) {
    return Put(clones_.List(request.clone_list()), response.mutable_clones());
  };
  commands_[Request::kCloneStatus] = [this](const Request& request, Response& response) {
    return Put(clones_.Show(request.clone_status()), response.mutable_clone());
  };
  commands_[Request::kCloneResidual] = [this](const Request& request, Response& response) {
    return Put(clones_.GetResidual(request.clone_residual()), response.mutable_residual());
  };
}

void ControlService::AddCloneChanges() {
  commands_[Request::kCloneActivate] = [this](const Request& request, Response& response) {
    return Put(clones_.Activate(request.clone_activate()), response.mutable_clones());
  };
  commands_[Request::kCloneStart] = [this](const Request& request, Response& response) {
    return Put(clones_.Start(request.clone_start()), response.mutable_clones());
  };
  commands_[Request::kClonePause] = [this](const Request& request, Response& response) {
    return Put(clones_.Pause(request.clone_pause()), response.mutable_clone());
  };
  commands_[Request::kCloneResume] = [this](const Request& request, Response& response) {
    return Put(clones_.Resume(request.clone_resume()), response.mutable_clone());
  };
  commands_[Request::kCloneStop] = [this](const Request& request, Response& response) {
    return Put(clones_.Stop(request.clone_stop()), response.mutable_clone());
  };
  commands_[Request::kCloneSet] = [this](const Request& request, Response& response) {
    return Put(clones_.Set(request.clone_set()), response.mutable_clone());
  };
}

void ControlService::AddVerifyCommands() {
  commands_[Request::kVerifyStart] = [this](const Request& request, Response& response) {
    return Put(verify_jobs_.Start(request.verify_start()), response.mutable_verify());
  };
  commands_[Request::kVerifyPoll] = [this](const Request& request, Response& response) {
    return Put(verify_jobs_.Poll(request.verify_poll()), response.mutable_verify());
  };
  commands_[Request::kVerifyCancel] = [this](const Request& request, Response& response) {
    return Put(verify_jobs_.Cancel(request.verify_cancel()), response.mutable_done());
  };
}

ControllerStatus ControlService::Status() const {
  ControllerStatus status = options_.describe();
  AddClones(options_.engine.ListClones(), status);
  status.set_healthy(status.problems().empty());
  return status;
}

absl::StatusOr<NodeEvicted> ControlService::Evict(const NodeName& request) const {
  BATON_RETURN_IF_ERROR(CheckName(request.name()));
  if (!options_.evict) {
    return absl::FailedPreconditionError(
        "this controller has no peers (--peer): there is no other node to evict");
  }
  BATON_RETURN_IF_ERROR(options_.evict(request.name()));
  NodeEvicted evicted;
  evicted.set_node(request.name());
  return evicted;
}

absl::StatusOr<EventList> ControlService::Events(const EventsRequest& request) const {
  const size_t limit =
      request.limit() == 0 ? kDefaultEvents : std::min<size_t>(request.limit(), kDefaultEvents);
  BATON_ASSIGN_OR_RETURN(auto events, options_.engine.ListEvents(request.after_sequence(), limit));
  EventList list;
  ReplyBudget budget;
  for (Event& event : events) {
    if (!budget.Take(event)) break;
    *list.add_events() = std::move(event);
  }
  return list;
}

}  // namespace baton::control
