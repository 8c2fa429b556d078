#include "ha/core/machine.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "ha/core/proof_rules.h"

namespace baton::ha {

std::vector<Action> Machine::Step(const Event& event, absl::Duration now) {
  path_.clear();
  if (ended_) return {};
  facts_.Advance(now);
  std::visit([this](const auto& what) { Take(what); }, event);
  if (facts_.epoch() != known_epoch_) {
    known_epoch_ = facts_.epoch();
    // What held this node back was about an epoch that is over.
    if (!facts_.OwnerIs(Holder::kThisProcess)) {
      hold_until_ = -absl::InfiniteDuration();
      recovery_failure_.reset();
    }
  }
  FollowTable();
  if (!ended_) SyncAlarms();
  return std::exchange(actions_, {});
}

// ---- What is asked of this process ------------------------------------------------------------

void Machine::Take(const event::ClaimEnded& ended) {
  if (state_ == State::kClaiming) claim_ = ended;
}

void Machine::Take(const event::RecoveryEnded& ended) {
  if (state_ == State::kRecovering) recovery_ = ended;
}

void Machine::Take(const event::SealEnded& ended) {
  if (state_ == State::kDraining) seal_.ended = ended;
}

void Machine::Take(const event::OwnFault& fault) {
  // The first one is the cause; a later one can only make it worse.
  if (!fault_ || (fault_->can_seal && !fault.can_seal)) fault_ = fault;
}

void Machine::Take(const event::Handover& handover) {
  const std::string why_not = WhyNoHandover(handover.to);
  if (!why_not.empty()) {
    Do(action::RefuseHandover{why_not});
    return;
  }
  handover_ = handover.to.empty() ? facts_.HealthyPeer() : handover.to;
}

std::string Machine::WhyNoHandover(const std::string& to) const {
  if (state_ != State::kOwner) {
    return fmt::format("node {} is not the owner: it is {}", options_.node, Name(state_));
  }
  if (to == options_.node) return fmt::format("node {} is the owner already", to);
  if (to.empty()) {
    return facts_.HealthyPeer().empty() ? "no healthy node is heard that could take over" : "";
  }
  if (facts_.HearsHealthy(to)) return "";
  if (std::ranges::find(options_.peers, to) == options_.peers.end()) {
    return fmt::format("there is no node {}: the nodes of this pool are {}, {}", to, options_.node,
                       fmt::join(options_.peers, ", "));
  }
  return fmt::format("node {} is not {}", to, facts_.Hears(to) ? "healthy" : "heard");
}

void Machine::Take(const event::StopAsked& asked) {
  const bool can =
      (state_ == State::kOwner || state_ == State::kDraining) && asked.epoch == own_epoch_;
  if (!can) {
    Do(action::AnswerStop{.to = asked.node, .epoch = asked.epoch, .ok = false});
    return;
  }
  if (!stop_asker_) stop_asker_ = asked.node;
}

void Machine::Take(const event::Shutdown&) { shutdown_ = true; }

// ---- Conditions -------------------------------------------------------------------------------

bool Machine::Owns() const {
  return state_ == State::kRecovering || state_ == State::kOwner || state_ == State::kDraining;
}

bool Machine::IsStandby() const { return !Owns() && state_ != State::kClaiming; }

bool Machine::Eligible() const {
  return Healthy() && IsStandby() && !shutdown_ && !ended_ &&
         options_.takeover != Takeover::kManual;
}

bool Machine::MustEnd() const { return shutdown_ || fault_; }

bool Machine::MustEndAtOnce() const { return fault_ && !fault_->can_seal; }

bool Machine::IsDeposed() const { return facts_.epoch() > own_epoch_; }

bool Machine::MustPublish() const {
  return facts_.OwnerIs(Holder::kPredecessor) && !facts_.Released() && published_ != facts_.epoch();
}

bool Machine::HasProof() const {
  return facts_.CanJudge() && facts_.now() >= hold_until_ &&
         FindProof(facts_, options_).has_value();
}

bool Machine::IsSuspected() const {
  if (!facts_.CanJudge() || facts_.lease() == nullptr) return false;
  if (facts_.now() < hold_until_) return false;  // what was seen last may be out of date
  if (facts_.Released() || facts_.OwnerIsThisNode()) return false;
  return facts_.OwnerSilent() || facts_.OwnerUnwell() || facts_.Stale() || facts_.Ordered();
}

bool Machine::MayStop() const {
  return IsSuspected() && MayPursue(facts_, options_) &&
         (facts_.OwnerUnwell() || facts_.Stale() || facts_.Ordered());
}

bool Machine::MayAskAgain() const { return facts_.now() - asked_ >= options_.stop_retry; }

bool Machine::MayFence() const {
  if (!MayStop() || !WantsFence(facts_, options_) || facts_.FenceRunning()) return false;
  if (facts_.Unchanged() < facts_.times().stale_after + options_.fence_delay) return false;
  // One that is heard gets the time for an answer.
  if (!facts_.OwnerSilent() && !MayAskAgain()) return false;
  return !FenceFailed() || facts_.now() - facts_.FenceEndedAt() >= options_.fence_retry;
}

bool Machine::FenceIsVoid() const { return !facts_.StorageOk() || !facts_.Stale(); }

bool Machine::MustSeal() const {
  return handover_ || stop_asker_ || shutdown_ || fault_ || !facts_.StorageOk();
}

bool Machine::SealFailed() const {
  return seal_.ended ? !seal_.ended->ok : facts_.now() - seal_.began >= options_.seal_limit;
}

// ---- Effects ----------------------------------------------------------------------------------

void Machine::Note(const char* kind, std::string text) {
  Do(action::RecordNote{.kind = kind, .text = std::move(text)});
}

void Machine::End() {
  ended_ = true;
  Do(action::EndProcess{fault_ ? fault_->text : ""});
}

void Machine::EndDeposed() {
  ended_ = true;
  Do(action::EndProcess{fmt::format("node {} has claimed epoch {}: epoch {} is over",
                                    facts_.lease()->record.node, facts_.epoch(), own_epoch_)});
}

void Machine::EndUnsealed() {
  if (stop_asker_) {
    Do(action::AnswerStop{.to = *stop_asker_, .epoch = own_epoch_, .ok = false});
  }
  ended_ = true;
  const std::string why = seal_.ended ? seal_.ended->text : "it takes too long";
  Do(action::EndProcess{fmt::format("epoch {} could not be sealed: {}", own_epoch_, why)});
}

void Machine::Publish() {
  published_ = facts_.epoch();
  Do(action::PublishCertificate{published_});
}

void Machine::Suspect() {
  const char* why = facts_.Stale()         ? "does not renew its lease"
                    : facts_.OwnerUnwell() ? "says that it is not healthy"
                    : facts_.Ordered()     ? "is to be replaced by order of an operator"
                                           : "is not heard";
  Note("owner-suspected",
       fmt::format("node {}, owner of epoch {}, {}", facts_.lease()->record.node, epoch(), why));
}

void Machine::Trust() {
  if (!facts_.CanJudge()) return;  // it is trusted for want of knowledge
  Note("owner-trusted",
       fmt::format("node {} is the owner of epoch {}", facts_.lease()->record.node, epoch()));
}

void Machine::Ask() {
  Note("stop-asked", fmt::format("node {} is asked to stop", facts_.lease()->record.node));
  AskAgain();
}

void Machine::AskAgain() {
  asked_ = facts_.now();
  Do(action::AskOwnerToStop{.node = facts_.lease()->record.node, .epoch = facts_.epoch()});
}

void Machine::StartFence() {
  facts_.NoteFenceStarted();
  const std::string& owner = facts_.lease()->record.node;
  Note("fence-started", fmt::format("the fence command is run against node {}", owner));
  Do(action::RunFence{owner});
}

void Machine::DropFence() {
  Note("fence-dropped",
       facts_.StorageOk() ? fmt::format("the lease record has changed meanwhile: epoch {}, node {}",
                                        facts_.epoch(), facts_.lease()->record.node)
                          : "this node does not reach its storage any more");
}

void Machine::GiveUpFence() { Note("fence-failed", facts_.FenceFailure()->text); }

void Machine::Claim() {
  claim_.reset();
  proof_ = FindProof(facts_, options_);
  const uint64_t gone = facts_.epoch();
  Note("takeover",
       fmt::format("node {} claims epoch {}, proof: {}", options_.node, gone + 1, Name(*proof_)));
  Do(action::Claim{.epoch = gone, .proof = *proof_});
}

void Machine::DropClaim() {
  Note("claim-failed", claim_->text);
  Hold(options_.claim_retry);
}

void Machine::Recover() {
  own_epoch_ = claim_->epoch;
  recovery_.reset();
  Do(action::Recover{own_epoch_});
}

void Machine::DropRecovery() {
  recovery_failure_ = fmt::format("epoch {} could not be served: {}", own_epoch_, recovery_->text);
  Note("recovery-failed", *recovery_failure_);
  Hold(options_.recovery_retry);
  Do(action::BecomeStandby{});
}

void Machine::Serve() {
  recovery_failure_.reset();
  handover_.reset();
  stop_asker_.reset();
  Do(action::Serve{own_epoch_});
}

std::string Machine::SealReason() const {
  if (fault_) return fault_->text;
  if (!facts_.StorageOk()) return "storage does not answer: " + facts_.storage()->text;
  if (shutdown_) return "shutdown";
  if (handover_) return "handover to node " + *handover_;
  return "node " + *stop_asker_ + " asks";
}

void Machine::StartSeal() {
  seal_ = {.began = facts_.now(), .ended = {}};
  Do(action::Seal{SealReason()});
}

// The node that asked gets the answer; else the one that was named, else any healthy one.
void Machine::GiveAway() {
  if (stop_asker_) {
    Do(action::AnswerStop{.to = *stop_asker_, .epoch = own_epoch_, .ok = true});
  } else if (const std::string to = handover_.value_or(facts_.HealthyPeer()); !to.empty()) {
    Do(action::OfferHandover{.to = to, .epoch = own_epoch_});
  }
  handover_.reset();
  stop_asker_.reset();
  Hold(options_.peer_claims);
  if (!MustEnd()) Do(action::BecomeStandby{});
}

}  // namespace baton::ha
