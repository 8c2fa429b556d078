#include "ha/node/conductor.h"

#include <spdlog/spdlog.h>

#include <utility>
#include <variant>

#include "engine/base/status.h"

namespace baton::ha {

Conductor::Conductor(Runtime& runtime, Options options, MountRouting::Targets targets,
                     PeerNetwork& network, Hands hands)
    : runtime_(runtime),
      node_(options.coordinator.node),
      on_fault_(std::move(options.on_fault)),
      hands_(hands),
      coordinator_(std::move(options.coordinator), runtime.BootTime()),
      routing_(targets),
      heartbeats_(runtime, options.heartbeat, network, targets.served) {}

void Conductor::Step(const Event& event) {
  for (const Action& action : coordinator_.Step(event, runtime_.BootTime())) {
    std::visit([this](const auto& order) { Do(order); }, action);
  }
}

void Conductor::Tick() {
  CheckStorage();
  Step(event::Tick{});
  Follow();
  hands_.names.Tick(routing_.IsServed());
  Publish();
  hands_.fence_monitor.Tick();
  heartbeats_.Beat(coordinator_, routing_.here(), told_storage_.value_or(hands_.watch.Health()));
}

// Before the first look has ended there is nothing to tell, and no alarm to raise.
void Conductor::CheckStorage() {
  if (!hands_.watch.IsKnown()) return;
  const absl::Status health = hands_.watch.Health();
  if (told_storage_ && health.ok() == told_storage_->ok()) return;
  told_storage_ = health;
  Step(event::StorageHealth{.ok = health.ok(), .text = Message(health)});
}

// An owner's requests are routed by Serve and Seal.
void Conductor::Follow() {
  if (routing_.here()) return;
  if (routing_.Follow(coordinator_.owner(), coordinator_.epoch())) hands_.opens.Wake();
}

void Conductor::Publish() {
  Ownership ownership;
  const LentEpoch& here = routing_.here();
  ownership.is_owner = static_cast<bool>(here);
  ownership.serves = ownership.is_owner;
  ownership.state = Name(coordinator_.state());
  ownership.owner = here ? node_ : coordinator_.owner();
  ownership.epoch = coordinator_.epoch();
  ownership.lease_age = coordinator_.lease_unchanged();
  if (here) {
    ownership.proof = here->proof();
    ownership.recovery = here->ExpectedRecovery();
  }
  const std::optional<PeerTable::Peer> peer = hands_.peers.Find(ownership.owner);
  if (peer && peer->last.owner()) {
    ownership.proof = ParseProof(peer->last.proof());
    ownership.recovery = absl::Microseconds(static_cast<int64_t>(peer->last.recovery_us()));
    ownership.serves = hands_.peers.IsHeard(peer->silence) && peer->last.epoch() == ownership.epoch;
  }
  hands_.board.Publish(std::move(ownership));
}

void Conductor::Do(const action::AskOwnerToStop& action) { hands_.handovers.AskToStop(action); }

void Conductor::Do(const action::RunFence& action) { hands_.fencing.Run(action); }

void Conductor::Do(const action::Claim& action) { hands_.epochs.Claim(action); }

void Conductor::Do(const action::Recover&) { hands_.epochs.Recover(); }

void Conductor::Do(const action::Serve&) {
  LentEpoch epoch = hands_.epochs.TakeRecovered();
  const uint64_t number = epoch->epoch();
  hands_.served_epoch.Begin({.follows_failure = epoch->proof() != Proof::kNoneNeeded &&
                                                epoch->proof() != Proof::kHandover,
                             .off_node = epoch.off_node()});
  hands_.services.Begin(*epoch, hands_.owner_peers);
  routing_.ServeHere(std::move(epoch));
  hands_.opens.Wake();
  heartbeats_.ForgetCertificate();
  spdlog::info("serving epoch {}", number);
  hands_.epochs.RecordClaim();
}

void Conductor::Do(const action::Seal& action) {
  spdlog::info("sealing the epoch: {}", action.reason);
  LentEpoch epoch = routing_.EndServing();
  hands_.served_epoch.End();
  hands_.epochs.Seal(std::move(epoch));
}

void Conductor::Do(const action::OfferHandover& action) { hands_.handovers.Offer(action); }

void Conductor::Do(const action::AnswerStop& action) { hands_.handovers.Answer(action); }

void Conductor::Do(const action::RefuseHandover& action) { hands_.board.Refuse(action.text); }

void Conductor::Do(const action::BecomeStandby&) { spdlog::info("a standby from now on"); }

void Conductor::Do(const action::PublishCertificate& action) {
  heartbeats_.TellCertificate(action.epoch);
  hands_.epochs.WriteCertificate(action.epoch);
}

void Conductor::Do(const action::RaiseAlarm& action) { hands_.alarms.Raise(action); }

void Conductor::Do(const action::ClearAlarm& action) { hands_.alarms.Clear(action); }

void Conductor::Do(const action::RecordNote& action) {
  hands_.epochs.Note(action.kind, action.text);
}

void Conductor::Do(const action::EndProcess& action) {
  if (!action.reason.empty()) return on_fault_(absl::AbortedError(action.reason));
  hands_.ended.Stop();
}

}  // namespace baton::ha
