#include "cli/service/node_service.h"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <utility>

#include "cli/control/control.h"
#include "cli/control/control_timeouts.h"
#include "cli/service/replies.h"
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

size_t LaneOf(const Request& request) {
  if (request.has_status() || request.has_trace_slow()) return kStatus;
  if (request.has_failover() || request.has_upgrade() || request.has_node_evict()) {
    return kFailovers;
  }
  return request.has_events() ? kEvents : kCommands;
}

// Such an answer of the owner names files of its own mount.
bool IsAnsweredWithPaths(const Request& request) {
  return request.has_volume_create() || request.has_volume_finish_import() ||
         request.has_volume_adopt() || request.has_volume_list() || request.has_volume_show();
}

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

FailoverDone Unchanged(const ha::HaStatus& status) {
  FailoverDone done = DoneOf(status.owner, status, absl::ZeroDuration());
  done.set_unchanged(true);
  return done;
}

absl::Status OtherWasFaster(const ha::HaStatus& status, const std::string& node) {
  return Error(
      absl::StatusCode::kFailedPrecondition,
      "node {} was faster and owns the pool (epoch {}); `baton failover --to {}` hands it over",
      status.owner, status.epoch, node);
}

}  // namespace

std::vector<int> NodeService::Workers() {
  return {kCommandWorkers, kStatusWorkers, kFailoverWorkers, kEventWorkers};
}

std::string NodeService::Busy() {
  return Encode(Refusal(absl::ResourceExhaustedError(
      "this controller is busy with other commands, and more wait: try again later")));
}

std::optional<ha::RequestServer::Task> NodeService::Read(const std::string& bytes,
                                                         const ha::RequestServer::Sender& sender) {
  const auto request = std::make_shared<Request>();
  if (!Decode(bytes, *request) || request->version() == 0) return std::nullopt;
  request->clear_caller();
  request->mutable_caller()->set_node(options_.node);
  if (sender) {
    request->mutable_caller()->set_uid(sender->uid);
    request->mutable_caller()->set_pid(sender->pid);
  }
  return ha::RequestServer::Task{.lane = LaneOf(*request),
                                 .answer = [this, request] { return Handle(*request); }};
}

absl::StatusOr<Response> NodeService::Ask(Request request) {
  request.set_version(kControlVersion);
  request.mutable_caller()->set_node(options_.node);
  const std::optional<std::string> answer = Handle(request);
  Response response;
  if (!answer || !Decode(*answer, response)) return absl::InternalError("a garbled answer");
  if (response.code() == 0) return response;
  return absl::Status(static_cast<absl::StatusCode>(response.code()), response.message());
}

std::optional<std::string> NodeService::Handle(const Request& request) {
  if (const std::optional<Response> refused = RefusedVersion(request)) return Encode(*refused);
  if (request.has_trace_slow()) return TraceSlow(request.trace_slow());
  if (!request.has_failover()) {
    const ha::Drainable<ControlService>::Use owner(options_.owner);
    if (owner) {
      const std::optional<Response> response = owner->Handle(request);
      return response ? std::optional(Encode(*response)) : std::nullopt;
    }
  }
  absl::StatusOr<std::string> answer = Execute(request);
  // What the owner was asked it has noted itself.
  if (request.has_failover() || request.has_upgrade() || !answer.ok()) {
    options_.audit.Note(request, answer.status());
  }
  return answer.ok() ? *std::move(answer) : Encode(Refusal(answer.status()));
}

std::string NodeService::TraceSlow(const control::TraceSlow& request) const {
  Response response = EmptyResponse();
  *response.mutable_slow() =
      options_.slow(request.limit() == 0 ? SIZE_MAX : size_t{request.limit()});
  return Encode(response);
}

absl::StatusOr<std::string> NodeService::HandleAsOwner(const std::string& peer,
                                                       const std::string& bytes) {
  Request request;
  if (!Decode(bytes, request) || request.version() == 0) {
    return absl::InvalidArgumentError("a garbled request");
  }
  request.mutable_caller()->set_node(peer);
  // Also one of another version: a pair is upgraded by handing over from node to node.
  if (request.has_failover()) {
    Response response = EmptyResponse();
    const absl::Status status = Put(Failover(request, false), response.mutable_failover());
    return Encode(status.ok() ? response : Refusal(status));
  }
  if (const std::optional<Response> refused = RefusedVersion(request)) return Encode(*refused);
  const Place place(passed_on_, kPassedOnCommands);
  if (!place && !request.has_events() && !request.has_status()) {
    return absl::AbortedError("the owner is busy with other commands: try again");
  }
  const ha::Drainable<ControlService>::Use owner(options_.owner);
  if (!owner) return absl::AbortedError("this controller does not own the pool");
  const std::optional<Response> response = owner->Handle(request);
  if (!response) return absl::InvalidArgumentError("a garbled request");
  return Encode(*response);
}

// Of a controller that does not own the pool, and `failover` of any.
absl::StatusOr<std::string> NodeService::Execute(const Request& request) {
  Response response = EmptyResponse();
  if (request.has_status()) {
    *response.mutable_status() = StandbyStatus();
  } else if (request.has_upgrade()) {
    BATON_ASSIGN_OR_RETURN(*response.mutable_upgrade(), options_.upgrade());
  } else if (request.has_failover()) {
    BATON_ASSIGN_OR_RETURN(*response.mutable_failover(), Failover(request, true));
  } else {
    return AskOwner(request);
  }
  return Encode(response);
}

absl::StatusOr<std::string> NodeService::AskOwner(const Request& request) {
  ha::HaNode* const pair = options_.pair;
  if (pair == nullptr) return absl::AbortedError("this controller is starting or ending");
  if (pair->unserved()) {
    absl::StatusOr<std::string> known = AskView(*pair, request, /*never_waits=*/true);
    if (known.ok()) return known;
  }
  absl::StatusOr<std::string> answer =
      pair->AskOwner(Encode(request), TimeoutOf(request.command_case()));
  if (absl::IsUnavailable(answer.status())) {
    absl::StatusOr<std::string> known = AskView(*pair, request, /*never_waits=*/false);
    if (known.ok()) return known;
  }
  if (!answer.ok() || !IsAnsweredWithPaths(request)) return answer;
  Response response;
  if (!Decode(*answer, response)) return absl::InternalError("a garbled answer of the owner");
  queries_.UseOwnPaths(response);
  return Encode(response);
}

absl::StatusOr<std::string> NodeService::AskView(ha::HaNode& pair, const Request& request,
                                                 bool never_waits) const {
  const std::shared_ptr<const PoolView> view = pair.view();
  if (view == nullptr) return absl::UnavailableError("nothing is known of the pool yet");
  // What has not become durable may yet be another event, with the same number.
  if (request.has_events()) return absl::UnimplementedError("only the owner knows");
  const auto answer = [queries = queries_, view, request]() -> absl::StatusOr<std::string> {
    Response response = EmptyResponse();
    const absl::Status status = queries.Answer(*view, Allocation::kAssumed, request, response)
                                    .value_or(absl::UnimplementedError("only the owner knows"));
    if (!status.ok()) return status;
    return Encode(response);
  };
  if (PoolQueries::IsAboutVolumes(request)) return answer();
  if (never_waits) return absl::UnimplementedError("it takes a look at storage");
  const auto known = std::make_shared<std::string>();
  BATON_RETURN_IF_ERROR(pair.OnStorage([answer, known] { return Put(answer(), known.get()); }));
  return *known;
}

absl::StatusOr<FailoverDone> NodeService::Failover(const Request& request, bool is_ours) {
  const FailoverRequest& failover = request.failover();
  ha::HaNode* const pair = options_.pair;
  if (pair == nullptr) {
    return absl::FailedPreconditionError(
        "this controller has no peers (--peer): there is nobody to hand over to");
  }
  const ha::HaStatus before = pair->Describe();
  const absl::Duration timeout = TimeoutOf(failover);
  const absl::Time began = absl::Now();
  const auto done = [&](const absl::StatusOr<ha::HaStatus>& after) -> absl::StatusOr<FailoverDone> {
    if (absl::IsDeadlineExceeded(after.status())) return TimedOut(before, absl::Now() - began);
    BATON_RETURN_IF_ERROR(after.status());
    return DoneOf(before.owner, *after, absl::Now() - began);
  };
  if (before.is_owner && failover.to() == options_.node) return Unchanged(before);
  if (before.is_owner) return done(pair->HandOver(failover.to(), timeout));
  if (!is_ours) return absl::AbortedError("this controller does not own the pool");
  if (failover.owner_is_dead() || !before.serves) {
    if (!failover.to().empty() && failover.to() != options_.node) {
      return Error(absl::StatusCode::kFailedPrecondition,
                   "nobody serves the pool, so nobody can hand it over: ask node {} itself",
                   failover.to());
    }
    const absl::StatusOr<ha::HaStatus> after =
        pair->TakeOver(before.epoch, failover.owner_is_dead(), timeout);
    if (!after.ok() || after->is_owner) return done(after);
    if (failover.to().empty()) return OtherWasFaster(*after, options_.node);
  }
  BATON_ASSIGN_OR_RETURN(const std::string answer,
                         pair->AskOwner(Encode(request), timeout + absl::Seconds(2)));
  Response response;
  if (!Decode(answer, response)) return absl::InternalError("a garbled answer of the owner");
  if (response.code() == 0) return response.failover();
  return absl::Status(static_cast<absl::StatusCode>(response.code()), response.message());
}

ControllerStatus NodeService::StandbyStatus() const {
  ControllerStatus status = options_.describe();
  ha::HaNode* const pair = options_.pair;
  const std::shared_ptr<const PoolView> view = pair == nullptr ? nullptr : pair->view();
  AddClones(view.get(), status);
  return status;
}

}  // namespace baton::control
