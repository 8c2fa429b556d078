#include "ha/node/peer_handovers.h"

#include <spdlog/spdlog.h>

#include <optional>

#include "engine/base/status.h"
#include "ha/io/peer_call.h"

namespace baton::ha {
namespace {

// A seal that takes longer is given up by the coordinator.
constexpr absl::Duration kStopPatience = absl::Seconds(11);
constexpr absl::Duration kOfferPatience = absl::Seconds(2);
constexpr int kOffers = 3;

}  // namespace

PeerHandovers::PeerHandovers(Runtime& runtime, PeerNetwork& network, SealFeedback& feedback,
                             EventQueue& events)
    : runtime_(runtime),
      network_(network),
      feedback_(feedback),
      events_(events),
      queue_(runtime, "peer-orders") {}

void PeerHandovers::AskToStop(const action::AskOwnerToStop& action) {
  spdlog::warn("asking node {} to stop owning epoch {}", action.node, action.epoch);
  queue_.Do([this, action] { CallToStop(action.node, action.epoch); });
}

void PeerHandovers::Offer(const action::OfferHandover& action) {
  queue_.Do([this, action] { CallToOffer(action.to, action.epoch); });
}

void PeerHandovers::Answer(const action::AnswerStop& action) {
  absl::MutexLock lock(&mutex_);
  answers_[action.to] = action.ok;
  changed_.SignalAll();
}

void PeerHandovers::CallToStop(const std::string& owner, uint64_t epoch) {
  peer_api::Call call;
  call.mutable_stop()->set_epoch(epoch);
  const absl::StatusOr<peer_api::Answer> answer = CallPeer(network_, owner, call, kStopPatience);
  if (absl::IsUnavailable(answer.status()) || absl::IsDeadlineExceeded(answer.status())) return;
  if (answer.ok()) feedback_.KeepReceived(answer->feedback());
  events_.Post(event::StopAnswered{.node = owner, .epoch = epoch, .ok = answer.ok()});
}

void PeerHandovers::CallToOffer(const std::string& to, uint64_t epoch) {
  peer_api::Call call;
  *call.mutable_offer()->mutable_feedback() = feedback_.Own();
  call.mutable_offer()->mutable_feedback()->set_epoch(epoch);
  for (int attempt = 0; attempt < kOffers; ++attempt) {
    const absl::Status offered = CallPeer(network_, to, call, kOfferPatience).status();
    if (offered.ok()) return;
    spdlog::warn("node {} was not told that it is to own the pool: {}", to, Message(offered));
  }
}

absl::StatusOr<peer_api::Answer> PeerHandovers::AnswerStop(const std::string& peer,
                                                           uint64_t epoch) {
  {
    absl::MutexLock lock(&mutex_);
    answers_.erase(peer);
  }
  events_.Post(event::StopAsked{.node = peer, .epoch = epoch});
  std::optional<bool> is_sealed;
  {
    absl::MutexLock lock(&mutex_);
    const absl::Duration deadline = runtime_.BootTime() + kStopPatience;
    while (!answers_.contains(peer) && !stopping_ && runtime_.BootTime() < deadline) {
      runtime_.WaitUntil(changed_, mutex_, deadline);
    }
    if (const auto found = answers_.find(peer); found != answers_.end()) is_sealed = found->second;
  }
  if (!is_sealed) return absl::DeadlineExceededError("it does not come to an end");
  peer_api::Answer answer;
  *answer.mutable_feedback() = feedback_.Own();
  if (!*is_sealed || answer.feedback().epoch() != epoch) {
    return Error(absl::StatusCode::kFailedPrecondition, "epoch {} is not sealed", epoch);
  }
  return answer;
}

absl::StatusOr<peer_api::Answer> PeerHandovers::AnswerOffer(const std::string& peer,
                                                            const peer_api::Offer& offer) {
  feedback_.KeepReceived(offer.feedback());
  events_.Post(event::HandoverOffered{.node = peer, .epoch = offer.feedback().epoch()});
  return peer_api::Answer();
}

void PeerHandovers::StopWaiting() {
  absl::MutexLock lock(&mutex_);
  stopping_ = true;
  changed_.SignalAll();
}

}  // namespace baton::ha
