#include "ha/node/peer_inbox.h"

#include <optional>
#include <utility>

#include "engine/base/status.h"
#include "ha/io/peer_api_codec.h"
#include "ha/node/owner_times.h"

namespace baton::ha {
namespace {

std::optional<State> StateOf(const std::string& name) {
  for (const State state :
       {State::kFollower, State::kSuspecting, State::kStopping, State::kFencing, State::kClaiming,
        State::kRecovering, State::kOwner, State::kDraining}) {
    if (Name(state) == name) return state;
  }
  return std::nullopt;
}

}  // namespace

std::string PeerInbox::Answer(const std::string& peer, const std::string& request) {
  peer_api::Call call;
  if (!call.ParseFromString(request)) {
    return RefusalOf(absl::InvalidArgumentError("a garbled call")).SerializeAsString();
  }
  const absl::StatusOr<peer_api::Answer> answer = Dispatch(peer, call);
  return (answer.ok() ? *answer : RefusalOf(answer.status())).SerializeAsString();
}

absl::StatusOr<peer_api::Answer> PeerInbox::Dispatch(const std::string& peer,
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
      return receivers_.served.Answer(peer, call);
    case peer_api::Call::kOpenSet:
      return receivers_.evictions.AnswerOpenSet(peer, call);
    case peer_api::Call::kPrepare:
      return receivers_.standby.Prepare(call.prepare());
    case peer_api::Call::kActivated:
      return receivers_.standby.Activated(call.activated());
    case peer_api::Call::kContentChanged:
      receivers_.mount.ContentChanged(call.content_changed().id());
      return peer_api::Answer();
    case peer_api::Call::kLockFreed:
      receivers_.mount.LockFreed(call.lock_freed().id());
      return peer_api::Answer();
    case peer_api::Call::kStop:
      return receivers_.handovers.AnswerStop(peer, call.stop().epoch());
    case peer_api::Call::kOffer:
      return receivers_.handovers.AnswerOffer(peer, call.offer());
    case peer_api::Call::BODY_NOT_SET:
      break;
  }
  return absl::UnimplementedError("this controller does not know that call");
}

absl::StatusOr<peer_api::Answer> PeerInbox::AnswerControl(const std::string& peer,
                                                          const std::string& request) {
  BATON_ASSIGN_OR_RETURN(std::string bytes, receivers_.commands.HandleAsOwner(peer, request));
  peer_api::Answer answer;
  answer.set_control(std::move(bytes));
  return answer;
}

void PeerInbox::Hear(const Heartbeat& heartbeat) {
  const std::optional<State> state = StateOf(heartbeat.state());
  if (!state) return;
  // Whoever tells the owner what is open here learns the rest.
  for (const std::string& evicted : heartbeat.evicted()) {
    if (heartbeat.owner() && evicted == options_.node) receivers_.opens.TellAgain(heartbeat.node());
  }
  receivers_.events.Post(
      event::Heartbeat{.node = heartbeat.node(),
                       .state = *state,
                       .epoch = heartbeat.epoch(),
                       .healthy = heartbeat.health().empty(),
                       .eligible = heartbeat.eligible(),
                       .other_times = OtherTimes(heartbeat, options_.times, options_.node)});
  if (heartbeat.certificate_epoch() != 0) {
    receivers_.events.Post(
        event::Certificate{.node = heartbeat.node(), .epoch = heartbeat.certificate_epoch()});
  }
  // Last: whoever waited for this peer may post what the coordinator must take as from one heard.
  receivers_.peers.Note(heartbeat);
}

void PeerInbox::NoteConnected(const std::string& peer) { receivers_.opens.TellAgain(peer); }

}  // namespace baton::ha
