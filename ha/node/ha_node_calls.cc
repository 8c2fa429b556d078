// What other controllers say and ask, and what this one asks of them.
#include <spdlog/spdlog.h>

#include <utility>

#include "engine/base/status.h"
#include "ha/io/peer_api_codec.h"
#include "ha/node/ha_node.h"
#include "ha/node/owner_times.h"

namespace baton::ha {
namespace {

// A seal that takes longer is given up by the coordinator.
constexpr absl::Duration kStopPatience = absl::Seconds(11);
constexpr absl::Duration kOfferPatience = absl::Seconds(2);
constexpr int kOffers = 3;
// How long the metadata that a standby follows may lag behind a command.
constexpr absl::Duration kViewPatience = absl::Seconds(2);

std::optional<State> StateOf(const std::string& name) {
  for (const State state :
       {State::kFollower, State::kSuspecting, State::kStopping, State::kFencing, State::kClaiming,
        State::kRecovering, State::kOwner, State::kDraining}) {
    if (Name(state) == name) return state;
  }
  return std::nullopt;
}

}  // namespace

// Where the writes of a process do not end with it, they are what the watchdog is for.
void HaNode::LookAfterOldWatchdog(bool predecessor_owns) {
  if (options_.watchdog.device.empty() || old_watchdog_is_known_) return;
  if (predecessor_owns && !options_.coordinator.certificate_counts) return;
  old_watchdog_is_known_ = true;
  epoch_queue_->Do([this] { StopOldWatchdog(); });
}

void HaNode::OnLease(const std::optional<LeaseRecord>& record, absl::Duration began) {
  if (!record) return Post(event::NoLease{});
  const NodeIdentity& self = options_.identity;
  Holder holder = Holder::kOther;
  if (record->instance == self.instance) {
    holder = Holder::kThisProcess;
  } else if (record->node == self.node && record->boot_id == self.boot_id) {
    holder = Holder::kPredecessor;
  }
  LookAfterOldWatchdog(holder == Holder::kPredecessor && !record->released);
  bool is_new = false;
  {
    absl::MutexLock lock(&mutex_);
    is_new = !lease_ || lease_->epoch != record->epoch;
    lease_ = record;
  }
  const OwnerTimes times = JudgeBy(record->times, own_times_);
  options_.router.RaiseDoubt(LongestDoubt(times));
  Post(event::LeaseSeen{.began = began,
                        .epoch = record->epoch,
                        .node = record->node,
                        .holder = holder,
                        .counter = record->counter,
                        .released = record->released,
                        .times = TimesForCoordinator(times)});
  // Our keeper has reaped it: that is why this process is here.
  if (is_new && holder == Holder::kPredecessor && !record->released) {
    Post(event::Certificate{.node = record->node, .epoch = record->epoch});
  }
}

void HaNode::OnHeartbeat(const Heartbeat& heartbeat) {
  const std::optional<State> state = StateOf(heartbeat.state());
  if (!state) return;
  {
    absl::MutexLock lock(&mutex_);
    PeerSeen& peer = peers_[heartbeat.node()];
    peer.last = heartbeat;
    peer.heard = runtime_.BootTime();
  }
  NoteEvictions(heartbeat);
  Post(event::Heartbeat{.node = heartbeat.node(),
                        .state = *state,
                        .epoch = heartbeat.epoch(),
                        .healthy = heartbeat.health().empty(),
                        .eligible = heartbeat.eligible(),
                        .other_times = OtherTimes(heartbeat, own_times_, options_.identity.node)});
  if (heartbeat.certificate_epoch() != 0) {
    Post(event::Certificate{.node = heartbeat.node(), .epoch = heartbeat.certificate_epoch()});
  }
}

std::string HaNode::OnCall(const std::string& peer, const std::string& request) {
  peer_api::Call call;
  if (!call.ParseFromString(request)) {
    return RefusalOf(absl::InvalidArgumentError("a garbled call")).SerializeAsString();
  }
  const absl::StatusOr<peer_api::Answer> answer = Answer(peer, call);
  return (answer.ok() ? *answer : RefusalOf(answer.status())).SerializeAsString();
}

absl::StatusOr<peer_api::Answer> HaNode::Answer(const std::string& peer,
                                                const peer_api::Call& call) {
  switch (call.body_case()) {
    case peer_api::Call::kControl:
      return AnswerControl(peer, call.control());
    case peer_api::Call::kListVolumes:
    case peer_api::Call::kCapacity:
    case peer_api::Call::kOpenVolume:
    case peer_api::Call::kCloseVolume:
    case peer_api::Call::kNextData:
    case peer_api::Call::kFindVolume:
    case peer_api::Call::kLocks:
    case peer_api::Call::kAllLocks:
    case peer_api::Call::kFindLock:
      return served_.Answer(peer, call);
    case peer_api::Call::kOpenSet:
      return AnswerOpenSet(peer, call);
    case peer_api::Call::kPrepare:
      return AnswerPrepare(call.prepare());
    case peer_api::Call::kActivated:
      return AnswerActivated(call.activated());
    case peer_api::Call::kContentChanged:
      hooks_.content_changed(call.content_changed().id());
      return peer_api::Answer();
    case peer_api::Call::kLockFreed:
      hooks_.lock_freed(call.lock_freed().id());
      return peer_api::Answer();
    case peer_api::Call::kStop:
      return AnswerStop(peer, call.stop().epoch());
    case peer_api::Call::kOffer:
      return AnswerOffer(peer, call.offer());
    case peer_api::Call::BODY_NOT_SET:
      break;
  }
  return absl::UnimplementedError("this controller does not know that call");
}

absl::StatusOr<peer_api::Answer> HaNode::AnswerControl(const std::string& peer,
                                                       const std::string& request) {
  BATON_ASSIGN_OR_RETURN(std::string bytes, hooks_.control(peer, request));
  peer_api::Answer answer;
  answer.set_control(std::move(bytes));
  return answer;
}

absl::StatusOr<peer_api::Answer> HaNode::AnswerPrepare(const peer_api::Prepare& prepare) {
  BATON_RETURN_IF_ERROR(watch_->Health());
  const std::shared_ptr<StandbyView> known = view();
  if (known == nullptr) return absl::UnavailableError("it does not follow the pool yet");
  BATON_RETURN_IF_ERROR(
      OnStorage([this, known, prepare] { return CheckPrepare(*known, prepare); }));
  return peer_api::Answer();
}

absl::Status HaNode::CheckPrepare(StandbyView& known, const peer_api::Prepare& prepare) {
  const absl::Duration deadline = runtime_.BootTime() + kViewPatience;
  while (true) {
    const absl::Status status =
        known.CheckPrepare(prepare.source(), prepare.target(), prepare.size_bytes());
    if (!absl::IsNotFound(status) || runtime_.BootTime() >= deadline) return status;
    BATON_RETURN_IF_ERROR(known.Poll());
  }
}

absl::StatusOr<peer_api::Answer> HaNode::AnswerActivated(const peer_api::Clones& clones) {
  BATON_RETURN_IF_ERROR(watch_->Health());
  const std::shared_ptr<StandbyView> known = view();
  if (known == nullptr) return absl::UnavailableError("it does not follow the pool yet");
  BATON_RETURN_IF_ERROR(OnStorage([known, clones] {
    for (const uint64_t id : clones.ids()) BATON_RETURN_IF_ERROR(known->RegisterClone(id));
    return absl::OkStatus();
  }));
  return peer_api::Answer();
}

absl::StatusOr<peer_api::Answer> HaNode::AnswerStop(const std::string& peer, uint64_t epoch) {
  {
    absl::MutexLock lock(&mutex_);
    stop_answers_.erase(peer);
  }
  Post(event::StopAsked{.node = peer, .epoch = epoch});
  absl::MutexLock lock(&mutex_);
  const absl::Duration deadline = runtime_.BootTime() + kStopPatience;
  while (!stop_answers_.contains(peer) && !stopping_ && runtime_.BootTime() < deadline) {
    runtime_.WaitUntil(changed_, mutex_, deadline);
  }
  const auto found = stop_answers_.find(peer);
  if (found == stop_answers_.end())
    return absl::DeadlineExceededError("it does not come to an end");
  if (!found->second || sent_feedback_.epoch() != epoch) {
    return Error(absl::StatusCode::kFailedPrecondition, "epoch {} is not sealed", epoch);
  }
  peer_api::Answer answer;
  *answer.mutable_feedback() = sent_feedback_;
  return answer;
}

absl::StatusOr<peer_api::Answer> HaNode::AnswerOffer(const std::string& peer,
                                                     const peer_api::Offer& offer) {
  KeepFeedback(offer.feedback());
  Post(event::HandoverOffered{.node = peer, .epoch = offer.feedback().epoch()});
  return peer_api::Answer();
}

void HaNode::KeepFeedback(const peer_api::Feedback& feedback) {
  absl::MutexLock lock(&mutex_);
  received_feedback_ = feedback;
}

absl::StatusOr<peer_api::Answer> HaNode::Call(const std::string& peer, const peer_api::Call& call,
                                              absl::Duration timeout) {
  BATON_ASSIGN_OR_RETURN(const std::string bytes,
                         network_->Call(peer, call.SerializeAsString(), timeout));
  return ParseAnswer(bytes);
}

// Says nothing where there was no answer: the coordinator goes on without one.
void HaNode::AskToStop(const std::string& owner, uint64_t epoch) {
  peer_api::Call call;
  call.mutable_stop()->set_epoch(epoch);
  const absl::StatusOr<peer_api::Answer> answer = Call(owner, call, kStopPatience);
  if (absl::IsUnavailable(answer.status()) || absl::IsDeadlineExceeded(answer.status())) return;
  if (answer.ok()) KeepFeedback(answer->feedback());
  Post(event::StopAnswered{.node = owner, .epoch = epoch, .ok = answer.ok()});
}

void HaNode::Offer(const std::string& to, uint64_t epoch) {
  peer_api::Call call;
  {
    absl::MutexLock lock(&mutex_);
    *call.mutable_offer()->mutable_feedback() = sent_feedback_;
  }
  call.mutable_offer()->mutable_feedback()->set_epoch(epoch);
  for (int attempt = 0; attempt < kOffers; ++attempt) {
    const absl::Status offered = Call(to, call, kOfferPatience).status();
    if (offered.ok()) return;
    spdlog::warn("node {} was not told that it is to own the pool: {}", to, Message(offered));
  }
}

absl::Status HaNode::Prepare(const std::string& source, const std::string& target,
                             uint64_t size_bytes, bool degraded) {
  peer_api::Call call;
  call.mutable_prepare()->set_source(source);
  call.mutable_prepare()->set_target(target);
  call.mutable_prepare()->set_size_bytes(size_bytes);
  for (const auto& [peer, volumes] : remotes_) {
    const absl::Status status = Call(peer, call, kViewPatience + kOfferPatience).status();
    if (status.ok()) continue;
    const bool is_down = absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status);
    if (degraded && is_down) continue;
    return Error(is_down ? absl::StatusCode::kFailedPrecondition : status.code(),
                 "node {} {}: {}{}", peer, is_down ? "is down" : "refuses", Message(status),
                 is_down ? "; bring it back, or use --degraded" : "");
  }
  return absl::OkStatus();
}

void HaNode::TellActivated(const std::vector<uint64_t>& clones) {
  peer_api::Call call;
  call.mutable_activated()->mutable_ids()->Assign(clones.begin(), clones.end());
  for (const auto& [peer, volumes] : remotes_) {
    const absl::Status told = Call(peer, call, kViewPatience + kOfferPatience).status();
    if (!told.ok()) {
      spdlog::warn("node {} follows the clones when it can: {}", peer, Message(told));
    }
  }
}

void HaNode::TellContentChanged(uint64_t volume_id) {
  peer_api::Call call;
  call.mutable_content_changed()->set_id(volume_id);
  for (const auto& [peer, volumes] : remotes_) {
    static_cast<void>(Call(peer, call, kOfferPatience));  // one that is down maps nothing
  }
}

void HaNode::TellLockFreed(uint64_t volume_id) {
  absl::MutexLock lock(&mutex_);
  freed_locks_.insert(volume_id);
  changed_.SignalAll();
}

// Who is not told tries again by itself, later.
void HaNode::TellFreedLocks(const std::set<uint64_t>& volumes) {
  for (const auto& [peer, remote] : remotes_) {
    if (!network_->connected(peer)) continue;
    for (const uint64_t volume_id : volumes) {
      peer_api::Call call;
      call.mutable_lock_freed()->set_id(volume_id);
      if (!Call(peer, call, kOfferPatience).ok()) break;
    }
  }
}

}  // namespace baton::ha
