#include "cli/service/control_service.h"

#include <utility>

#include "cli/service/replies.h"
#include "engine/base/names.h"
#include "engine/base/status.h"

namespace baton::control {

ControlService::ControlService(Options options)
    : options_(std::move(options)),
      queries_(options_.mount),
      volumes_(options_.engine, queries_, options_.peers.await_opens),
      clones_(options_.engine, options_.content_changed, options_.peers),
      verify_jobs_(options_.engine, options_.runtime),
      drills_({.engine = options_.engine,
               .runtime = options_.runtime,
               .status = [this] { return Status(); },
               .await_opens = options_.peers.await_opens,
               .crash = options_.crash,
               .isolate = options_.isolate}) {
  AddStatusAndUpgrade();
  AddNodeCommands();
  AddVolumeCommands();
  AddCloneCommands();
  AddCloneChanges();
  AddVerifyCommands();
  AddDrillCommands();
}

std::optional<Response> ControlService::Handle(const Request& request) {
  if (request.command_case() == Request::COMMAND_NOT_SET) return std::nullopt;
  Response response = EmptyResponse();
  const absl::Status status = Execute(request, response);
  options_.audit.Note(request, status);
  return status.ok() ? response : Refusal(status);
}

absl::Status ControlService::Execute(const Request& request, Response& response) {
  if (const std::optional<absl::Status> answered =
          queries_.Answer(options_.engine, Allocation::kMeasured, request, response)) {
    return *answered;
  }
  const auto command = commands_.find(request.command_case());
  if (command == commands_.end()) {
    return absl::UnimplementedError("the controller has no such command");
  }
  return command->second(request, response);
}

void ControlService::AddStatusAndUpgrade() {
  commands_[Request::kStatus] = [this](const Request&, Response& response) {
    *response.mutable_status() = Status();
    return absl::OkStatus();
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
  commands_[Request::kVolumeAdopt] = [this](const Request& request, Response& response) {
    return Put(volumes_.Adopt(request.volume_adopt()), response.mutable_volume());
  };
  commands_[Request::kVolumeResize] = [this](const Request& request, Response& response) {
    return Put(volumes_.Resize(request.volume_resize()), response.mutable_volume());
  };
  commands_[Request::kVolumeRename] = [this](const Request& request, Response& response) {
    return Put(volumes_.Rename(request.volume_rename()), response.mutable_volume());
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
  commands_[Request::kCloneSetLatency] = [this](const Request& request, Response& response) {
    return Put(clones_.SetLatency(request.clone_set_latency()), response.mutable_clone());
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

void ControlService::AddDrillCommands() {
  commands_[Request::kDrillBegin] = [this](const Request& request, Response& response) {
    return Put(drills_.Begin(request.drill_begin(), request.caller()),
               response.mutable_drill_begun());
  };
  commands_[Request::kDrillCrash] = [this](const Request& request, Response& response) {
    return Put(drills_.Crash(request.drill_crash(), request.caller()),
               response.mutable_drill_struck());
  };
  commands_[Request::kDrillPartition] = [this](const Request& request, Response& response) {
    return Put(drills_.Partition(request.drill_partition(), request.caller()),
               response.mutable_drill_struck());
  };
  commands_[Request::kDrillEnd] = [this](const Request& request, Response& response) {
    return Put(drills_.End(request.drill_end(), request.caller()), response.mutable_done());
  };
}

ControllerStatus ControlService::Status() const {
  ControllerStatus status = options_.describe();
  AddClones(&options_.engine, status);
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

}  // namespace baton::control
