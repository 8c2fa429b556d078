// What other controllers say and ask, and what this one asks of them.
#include <spdlog/spdlog.h>

#include <utility>

#include "ha/node/owner_times.h"
#include "ha/node/ha_node.h"
#include "ha/io/peer_api_codec.h"
#include "engine/base/status.h"

namespace baton {
namespace {

// A seal that takes longer is given up by the coordinator.
constexpr absl::Duration kStopPatience = absl::Seconds(11);
constexpr absl::Duration kOfferPatience = absl::Seconds(2);
constexpr int kOffers = 3;
// How long the metadata that a standby follows may lag behind a command.
constexpr absl::Duration kViewPatience = absl::Seconds(2);

std::optional<ha::State> StateOf(const std::string& name) {
  for (const ha::State state :
       {ha::State::kFollower, ha::State::kSuspecting, ha::State::kStopping, ha::State::kFencing,
        ha::State::kClaiming, ha::State::kRecovering, ha::State::kOwner, ha::State::kDraining}) {
    if (ha::Name(state) == name) return state;
  }
  return std::nullopt;
}

}  // namespace

// Where the writes of a process do not end with it, they are what the watchdog is for.
void Pair::LookAfterOldWatchdog(bool predecessor_owns) {
  if (options_.watchdog.device.empty() || old_watchdog_is_known_) return;
  if (predecessor_owns && !options_.coordinator.certificate_counts) return;
  old_watchdog_is_known_ = true;
  tenures_->Do([this] { StopOldWatchdog(); });
}

void Pair::OnLease(const std::optional<LeaseRecord>& record, absl::Duration began) {
  if (!record) return Post(ha::event::NoLease{});
  const NodeIdentity& self = options_.identity;
  ha::Holder holder = ha::Holder::kOther;
  if (record->instance == self.instance) {
    holder = ha::Holder::kThisProcess;
  } else if (record->node == self.node && record->boot_id == self.boot_id) {
    holder = ha::Holder::kPredecessor;
  }
  LookAfterOldWatchdog(holder == ha::Holder::kPredecessor && !record->released);
  bool is_new = false;
  {
    absl::MutexLock lock(&mutex_);
    is_new = !lease_ || lease_->epoch != record->epoch;
    lease_ = record;
  }
  const OwnerTimes times = JudgeBy(record->times, own_times_);
  options_.router.RaiseDoubt(LongestDoubt(times));
  Post(ha::event::LeaseSeen{.began = began,
                            .epoch = record->epoch,
                            .node = record->node,
                            .holder = holder,
                            .counter = record->counter,
                            .released = record->released,
                            .times = TimesForCoordinator(times)});
  // Our keeper has reaped it: that is why this process is here.
  if (is_new && holder == ha::Holder::kPredecessor && !record->released) {
    Post(ha::event::Certificate{.node = record->node, .epoch = record->epoch});
  }
}

void Pair::OnHeartbeat(const ha::Heartbeat& heartbeat) {
  const std::optional<ha::State> state = StateOf(heartbeat.state());
  if (!state) return;
  {
    absl::MutexLock lock(&mutex_);
    PeerSeen& peer = peers_[heartbeat.node()];
    peer.last = heartbeat;
    peer.heard = runtime_.BootTime();
  }
  NoteEvictions(heartbeat);
  Post(ha::event::Heartbeat{
      .node = heartbeat.node(),
      .state = *state,
      .epoch = heartbeat.epoch(),
      .healthy = heartbeat.health().empty(),
      .eligible = heartbeat.eligible(),
      .other_times = OtherTimes(heartbeat, own_times_, options_.identity.node)});
  if (heartbeat.certificate_epoch() != 0) {
    Post(ha::event::Certificate{.node = heartbeat.node(), .epoch = heartbeat.certificate_epoch()});
  }
}

std::string Pair::OnCall(const std::string& peer, const std::string& request) {
  pair::Call call;
  if (!call.ParseFromString(request)) {
    return RefusalOf(absl::InvalidArgumentError("a garbled call")).SerializeAsString();
  }
  const absl::StatusOr<pair::Answer> answer = Answer(peer, call);
  return (answer.ok() ? *answer : RefusalOf(answer.status())).SerializeAsString();
}

absl::StatusOr<pair::Answer> Pair::Answer(const std::string& peer, const pair::Call& call) {
  switch (call.body_case()) {
    case pair::Call::kControl:
      return AnswerControl(peer, call.control());
    case pair::Call::kListVolumes:
    case pair::Call::kCapacity:
    case pair::Call::kOpenVolume:
    case pair::Call::kCloseVolume:
    case pair::Call::kNextData:
    case pair::Call::kFindVolume:
    case pair::Call::kLocks:
    case pair::Call::kAllLocks:
    case pair::Call::kFindLock:
      return served_.Answer(peer, call);
    case pair::Call::kOpenSet:
      return AnswerOpenSet(peer, call);
    case pair::Call::kPrepare:
      return AnswerPrepare(call.prepare());
    case pair::Call::kActivated:
      return AnswerActivated(call.activated());
    case pair::Call::kContentChanged:
      hooks_.content_changed(call.content_changed().id());
      return pair::Answer();
    case pair::Call::kLockFreed:
      hooks_.lock_freed(call.lock_freed().id());
      return pair::Answer();
    case pair::Call::kStop:
      return AnswerStop(peer, call.stop().epoch());
    case pair::Call::kOffer:
      return AnswerOffer(peer, call.offer());
    case pair::Call::BODY_NOT_SET:
      break;
  }
  return absl::UnimplementedError("this controller does not know that call");
}

absl::StatusOr<pair::Answer> Pair::AnswerControl(const std::string& peer,
                                                 const std::string& request) {
  BATON_ASSIGN_OR_RETURN(std::string bytes, hooks_.control(peer, request));
  pair::Answer answer;
  answer.set_control(std::move(bytes));
  return answer;
}

absl::StatusOr<pair::Answer> Pair::AnswerPrepare(const pair::Prepare& prepare) {
  BATON_RETURN_IF_ERROR(watch_->Health());
  const std::shared_ptr<StandbyView> known = view();
  if (known == nullptr) return absl::UnavailableError("it does not follow the pool yet");
  BATON_RETURN_IF_ERROR(
      OnStorage([this, known, prepare] { return CheckPrepare(*known, prepare); }));
  return pair::Answer();
}

absl::Status Pair::CheckPrepare(StandbyView& known, const pair::Prepare& prepare) {
  const absl::Duration deadline = runtime_.BootTime() + kViewPatience;
  while (true) {
    const absl::Status status =
        known.CheckPrepare(prepare.source(), prepare.target(), prepare.size_bytes());
    if (!absl::IsNotFound(status) || runtime_.BootTime() >= deadline) return status;
    BATON_RETURN_IF_ERROR(known.Poll());
  }
}

absl::StatusOr<pair::Answer> Pair::AnswerActivated(const pair::Clones& clones) {
  BATON_RETURN_IF_ERROR(watch_->Health());
  const std::shared_ptr<StandbyView> known = view();
  if (known == nullptr) return absl::UnavailableError("it does not follow the pool yet");
  BATON_RETURN_IF_ERROR(OnStorage([known, clones] {
    for (const uint64_t id : clones.ids()) BATON_RETURN_IF_ERROR(known->RegisterClone(id));
    return absl::OkStatus();
  }));
  return pair::Answer();
}

absl::StatusOr<pair::Answer> Pair::AnswerStop(const std::string& peer, uint64_t epoch) {
  {
    absl::MutexLock lock(&mutex_);
    stop_answers_.erase(peer);
  }
  Post(ha::event::StopAsked{.node = peer, .epoch = epoch});
  absl::MutexLock lock(&mutex_);
  const absl::Duration deadline = runtime_.BootTime() + kStopPatience;
  while (!stop_answers_.contains(peer) && !stopping_ && runtime_.BootTime() < deadline) {
    runtime_.WaitUntil(changed_, mutex_, deadline);
  }
  const auto found = stop_answers_.find(peer);
  if (found == stop_answers_.end())
    return absl::DeadlineExceededError("it does not come to an end");
  if (!found->second || given_.epoch() != epoch) {
    return Error(absl::StatusCode::kFailedPrecondition, "epoch {} is not sealed", epoch);
  }
  pair::Answer answer;
  *answer.mutable_feedback() = given_;
  return answer;
}

absl::StatusOr<pair::Answer> Pair::AnswerOffer(const std::string& peer, const pair::Offer& offer) {
  KeepFeedback(offer.feedback());
  Post(ha::event::HandoverOffered{.node = peer, .epoch = offer.feedback().epoch()});
  return pair::Answer();
}

void Pair::KeepFeedback(const pair::Feedback& feedback) {
  absl::MutexLock lock(&mutex_);
  said_ = feedback;
}

absl::StatusOr<pair::Answer> Pair::Call(const std::string& peer, const pair::Call& call,
                                        absl::Duration timeout) {
  BATON_ASSIGN_OR_RETURN(const std::string bytes,
                         network_->Call(peer, call.SerializeAsString(), timeout));
  return ParseAnswer(bytes);
}

// Says nothing where there was no answer: the coordinator goes on without one.
void Pair::AskToStop(const std::string& owner, uint64_t epoch) {
  pair::Call call;
  call.mutable_stop()->set_epoch(epoch);
  const absl::StatusOr<pair::Answer> answer = Call(owner, call, kStopPatience);
  if (absl::IsUnavailable(answer.status()) || absl::IsDeadlineExceeded(answer.status())) return;
  if (answer.ok()) KeepFeedback(answer->feedback());
  Post(ha::event::StopAnswered{.node = owner, .epoch = epoch, .ok = answer.ok()});
}

void Pair::Offer(const std::string& to, uint64_t epoch) {
  pair::Call call;
  {
    absl::MutexLock lock(&mutex_);
    *call.mutable_offer()->mutable_feedback() = given_;
  }
  call.mutable_offer()->mutable_feedback()->set_epoch(epoch);
  for (int attempt = 0; attempt < kOffers; ++attempt) {
    const absl::Status offered = Call(to, call, kOfferPatience).status();
    if (offered.ok()) return;
    spdlog::warn("node {} was not told that it is to own the pool: {}", to, Message(offered));
  }
}

absl::Status Pair::Prepare(const std::string& source, const std::string& target,
                           uint64_t size_bytes, bool degraded) {
  pair::Call call;
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

void Pair::TellActivated(const std::vector<uint64_t>& clones) {
  pair::Call call;
  call.mutable_activated()->mutable_ids()->Assign(clones.begin(), clones.end());
  for (const auto& [peer, volumes] : remotes_) {
    const absl::Status told = Call(peer, call, kViewPatience + kOfferPatience).status();
    if (!told.ok()) {
      spdlog::warn("node {} follows the clones when it can: {}", peer, Message(told));
    }
  }
}

void Pair::TellContentChanged(uint64_t volume_id) {
  pair::Call call;
  call.mutable_content_changed()->set_id(volume_id);
  for (const auto& [peer, volumes] : remotes_) {
    static_cast<void>(Call(peer, call, kOfferPatience));  // one that is down maps nothing
  }
}

void Pair::TellLockFreed(uint64_t volume_id) {
  absl::MutexLock lock(&mutex_);
  freed_locks_.insert(volume_id);
  changed_.SignalAll();
}

// Who is not told tries again by itself, later.
void Pair::TellFreedLocks(const std::set<uint64_t>& volumes) {
  for (const auto& [peer, remote] : remotes_) {
    if (!network_->connected(peer)) continue;
    for (const uint64_t volume_id : volumes) {
      pair::Call call;
      call.mutable_lock_freed()->set_id(volume_id);
      if (!Call(peer, call, kOfferPatience).ok()) break;
    }
  }
}

}  // namespace baton
