#include "cli/service/node_service.h"

#include <algorithm>
#include <utility>

#include "cli/control/control.h"
#include "cli/control/control_timeouts.h"
#include "cli/service/reply_budget.h"
#include "engine/base/status.h"
#include "ha/io/peer_settings.h"

namespace baton::control {
namespace {

constexpr absl::Duration kDefaultFailover = absl::Seconds(30);

// The lanes of requests.
enum Lane : size_t { kCommands, kStatus, kFailovers, kEvents };
constexpr int kCommandWorkers = 8;
constexpr int kStatusWorkers = 2;
constexpr int kFailoverWorkers = 4;
constexpr int kEventWorkers = 4;

// Of the threads that answer peers, so many carry out commands: the others are for what mounts ask
// and for a change of owner.
constexpr int kPassedOnCommands = ha::kCallWorkers - 3;

// One of a few that are to be had; given back at the end.
class Place {
 public:
  Place(std::atomic<int>& taken, int places) : taken_(taken), ok_(++taken <= places) {}
  ~Place() { --taken_; }
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;
  explicit operator bool() const { return ok_; }

 private:
  std::atomic<int>& taken_;
  const bool ok_;
};

absl::Duration TimeoutOf(const FailoverRequest& request) {
  return request.timeout_ms() == 0 ? kDefaultFailover
                                   : absl::Milliseconds(static_cast<int64_t>(std::min<uint64_t>(
                                         request.timeout_ms(), 24 * 3600 * 1000ull)));
}

FailoverDone DoneOf(const std::string& from, const ha::HaStatus& status, absl::Duration waited) {
  FailoverDone done;
  done.set_from(from);
  done.set_owner(status.owner);
  done.set_epoch(status.epoch);
  done.set_waited_ms(static_cast<uint64_t>(absl::ToInt64Milliseconds(waited)));
  return done;
}

FailoverDone TimedOut(const ha::HaStatus& status, absl::Duration waited) {
  FailoverDone done = DoneOf(status.owner, status, waited);
  done.set_timed_out(true);
  return done;
}

}  // namespace

std::vector<int> NodeService::Workers() {
  return {kCommandWorkers, kStatusWorkers, kFailoverWorkers, kEventWorkers};
}

size_t NodeService::LaneOf(const std::string& bytes) {
  Request request;
  if (!Decode(bytes, request)) return kCommands;
  if (request.has_status()) return kStatus;
  if (request.has_failover() || request.has_upgrade() || request.has_node_evict()) {
    return kFailovers;
  }
  return request.has_events() ? kEvents : kCommands;
}

std::string NodeService::Busy() {
  return Encode(Refusal(absl::ResourceExhaustedError(
      "this controller is busy with other commands, and more wait: try again later")));
}

std::optional<std::string> NodeService::Handle(const std::string& bytes,
                                               const ha::RequestServer::Sender& sender) {
  Request request;
  if (!Decode(bytes, request) || request.version() == 0) return std::nullopt;
  request.clear_caller();
  request.mutable_caller()->set_node(options_.node);
  if (sender) {
    request.mutable_caller()->set_uid(sender->uid);
    request.mutable_caller()->set_pid(sender->pid);
  }
  const std::string stamped = Encode(request);
  const bool is_local = request.has_failover() && request.version() == kControlVersion;
  if (!is_local) {
    const ha::Drainable<ControlService>::Use owner(options_.owner);
    if (owner) return owner->Handle(stamped);
    if (const std::optional<Response> refused = RefusedVersion(request)) return Encode(*refused);
  }
  Response response;
  response.set_version(kControlVersion);
  const absl::Status status = Execute(request, stamped, response);
  // What the owner was asked it has noted itself.
  if (is_local || request.has_upgrade() || !status.ok()) options_.audit.Note(request, status);
  return Encode(status.ok() ? response : Refusal(status));
}

absl::StatusOr<std::string> NodeService::HandleAsOwner(const std::string& peer,
                                                       const std::string& bytes) {
  Request request;
  if (!Decode(bytes, request)) return absl::InvalidArgumentError("a garbled request");
  request.mutable_caller()->set_node(peer);
  const std::string stamped = Encode(request);
  if (request.has_failover()) {
    Response response;
    response.set_version(kControlVersion);
    const absl::StatusOr<FailoverDone> done = Failover(request.failover(), stamped, false);
    if (!done.ok()) return Encode(Refusal(done.status()));
    *response.mutable_failover() = *done;
    return Encode(response);
  }
  const Place place(passed_on_, kPassedOnCommands);
  if (!place && !request.has_events() && !request.has_status()) {
    return absl::AbortedError("the owner is busy with other commands: try again");
  }
  const ha::Drainable<ControlService>::Use owner(options_.owner);
  if (!owner) return absl::AbortedError("this controller does not own the pool");
  std::optional<std::string> response = owner->Handle(stamped);
  if (!response) return absl::InvalidArgumentError("a garbled request");
  return *std::move(response);
}

// Of a controller that does not own the pool, and `failover` of any.
absl::Status NodeService::Execute(const Request& request, const std::string& bytes,
                                  Response& response) {
  if (request.has_status()) {
    *response.mutable_status() = StandbyStatus();
    return absl::OkStatus();
  }
  if (request.has_upgrade()) {
    BATON_ASSIGN_OR_RETURN(*response.mutable_upgrade(), options_.upgrade());
    return absl::OkStatus();
  }
  if (request.has_failover()) {
    BATON_ASSIGN_OR_RETURN(*response.mutable_failover(), Failover(request.failover(), bytes, true));
    return absl::OkStatus();
  }
  return AskOwner(request, bytes, response);
}

absl::Status NodeService::AskOwner(const Request& request, const std::string& bytes,
                                   Response& response) {
  ha::HaNode* const pair = options_.pair;
  if (pair == nullptr) return absl::AbortedError("this controller is starting or ending");
  if (pair->unserved() && AnswerVolumes(pair->view(), request, response).ok()) {
    return absl::OkStatus();
  }
  const absl::StatusOr<std::string> answer =
      pair->AskOwner(bytes, TimeoutOf(request.command_case()));
  if (absl::IsUnavailable(answer.status()) && AskView(*pair, request, response).ok()) {
    return absl::OkStatus();
  }
  BATON_RETURN_IF_ERROR(answer.status());
  if (!Decode(*answer, response)) return absl::InternalError("a garbled answer of the owner");
  UseOwnPaths(response);
  return absl::OkStatus();
}

absl::Status NodeService::AskView(ha::HaNode& pair, const Request& request,
                                  Response& response) const {
  const std::shared_ptr<StandbyView> view = pair.view();
  if (AnswerVolumes(view, request, response).ok()) return absl::OkStatus();
  const auto known = std::make_shared<Response>(response);
  BATON_RETURN_IF_ERROR(
      pair.OnStorage([view, request, known] { return AnswerFromView(view, request, *known); }));
  response = *known;
  return absl::OkStatus();
}

// What is known without a look at storage.
absl::Status NodeService::AnswerVolumes(const std::shared_ptr<StandbyView>& view,
                                        const Request& request, Response& response) const {
  if (view == nullptr) return absl::UnavailableError("nothing is known of the pool yet");
  if (request.has_volume_list()) {
    *response.mutable_volumes() = ListFromView(*view, request.volume_list().after());
    return absl::OkStatus();
  }
  if (!request.has_volume_show()) return absl::UnimplementedError("no question about volumes");
  BATON_ASSIGN_OR_RETURN(*response.mutable_volume(),
                         view->ShowVolume(request.volume_show().name(), Allocation::kAssumed));
  UseOwnPaths(response);
  return absl::OkStatus();
}

// While nobody owns the pool: what is known of its clones.
absl::Status NodeService::AnswerFromView(const std::shared_ptr<StandbyView>& view,
                                         const Request& request, Response& response) {
  if (view == nullptr) return absl::UnavailableError("nothing is known of the pool yet");
  if (request.has_clone_list() && request.clone_list().after().empty()) {
    ReplyBudget budget;
    for (const CloneStatus& clone : view->ListClones()) {
      if (budget.Take(clone)) *response.mutable_clones()->add_clones() = clone;
    }
    return absl::OkStatus();
  }
  if (request.has_clone_status()) {
    BATON_ASSIGN_OR_RETURN(const uint64_t id, view->FindClone(request.clone_status().clone()));
    BATON_ASSIGN_OR_RETURN(*response.mutable_clone(), view->ShowClone(id));
    return absl::OkStatus();
  }
  if (request.has_clone_residual()) {
    BATON_ASSIGN_OR_RETURN(const uint64_t id, view->FindClone(request.clone_residual().clone()));
    BATON_ASSIGN_OR_RETURN(*response.mutable_residual()->mutable_residual(),
                           view->CloneResidual(id, request.clone_residual().extents()));
    return absl::OkStatus();
  }
  return absl::UnimplementedError("only the owner knows");
}

VolumeList NodeService::ListFromView(const StandbyView& view, const std::string& after) const {
  std::vector<VolumeInfo> volumes = view.ListVolumes();
  std::erase_if(volumes, [&after](const VolumeInfo& volume) { return volume.name <= after; });
  std::sort(volumes.begin(), volumes.end(),
            [](const VolumeInfo& a, const VolumeInfo& b) { return a.name < b.name; });
  VolumeList list;
  ReplyBudget budget;
  for (const VolumeInfo& info : volumes) {
    absl::StatusOr<VolumeStatus> volume = view.ShowVolume(info.name, Allocation::kAssumed);
    if (!volume.ok()) continue;  // deleted meanwhile
    volume->set_path(options_.mount + "/" + info.name);
    if (!budget.Take(*volume)) break;
    *list.add_volumes() = *std::move(volume);
  }
  return list;
}

absl::StatusOr<FailoverDone> NodeService::Failover(const FailoverRequest& request,
                                                   const std::string& bytes, bool is_ours) {
  ha::HaNode* const pair = options_.pair;
  if (pair == nullptr) {
    return absl::FailedPreconditionError(
        "this controller has no peers (--peer): there is nobody to hand over to");
  }
  const ha::HaStatus before = pair->Describe();
  const absl::Duration timeout = TimeoutOf(request);
  const absl::Time began = absl::Now();
  const auto done = [&](const absl::StatusOr<ha::HaStatus>& after) -> absl::StatusOr<FailoverDone> {
    if (absl::IsDeadlineExceeded(after.status())) return TimedOut(before, absl::Now() - began);
    BATON_RETURN_IF_ERROR(after.status());
    return DoneOf(before.owner, *after, absl::Now() - began);
  };
  if (before.is_owner) return done(pair->HandOver(request.to(), timeout));
  if (!is_ours) return absl::AbortedError("this controller does not own the pool");
  if (request.owner_is_dead() || !before.serves) {
    if (!request.to().empty() && request.to() != options_.node) {
      return Error(absl::StatusCode::kFailedPrecondition,
                   "nobody serves the pool, so nobody can hand it over: ask node {} itself",
                   request.to());
    }
    return done(pair->TakeOver(request.owner_is_dead(), timeout));
  }
  BATON_ASSIGN_OR_RETURN(const std::string answer,
                         pair->AskOwner(bytes, timeout + absl::Seconds(2)));
  Response response;
  if (!Decode(answer, response)) return absl::InternalError("a garbled answer of the owner");
  if (response.code() == 0) return response.failover();
  return absl::Status(static_cast<absl::StatusCode>(response.code()), response.message());
}

ControllerStatus NodeService::StandbyStatus() const {
  ControllerStatus status = options_.describe();
  ha::HaNode* const pair = options_.pair;
  const std::shared_ptr<StandbyView> view = pair == nullptr ? nullptr : pair->view();
  if (view != nullptr) AddClones(view->ListClones(), status);
  status.set_healthy(status.problems().empty());
  return status;
}

// The owner answers with the paths of its own mount.
void NodeService::UseOwnPaths(Response& response) const {
  const auto use = [this](VolumeStatus& volume) {
    volume.set_path(options_.mount + "/" + volume.name());
  };
  if (response.has_volume()) use(*response.mutable_volume());
  if (!response.has_volumes()) return;
  for (VolumeStatus& volume : *response.mutable_volumes()->mutable_volumes()) use(volume);
}

}  // namespace baton::control
