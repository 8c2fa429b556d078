#include "ha/node/epoch_work.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "engine/base/clone_state.h"
#include "engine/base/status.h"
#include "engine/feedback.h"
#include "engine/lease/death_certificate.h"
#include "ha/io/eviction_status.h"
#include "ha/node/own_eviction.h"

namespace baton::ha {
namespace {

// What a node that is off had open is closed.
bool TurnsNodeOff(Proof proof) {
  return proof == Proof::kFence || proof == Proof::kOperator || proof == Proof::kWatchdog;
}

std::string TextOf(const std::vector<Residual>& residuals) {
  if (residuals.empty()) return "no clone was running";
  std::string text;
  for (const Residual& residual : residuals) {
    text += fmt::format("{}clone {}: {} pending, {} copying, {} landing", text.empty() ? "" : "; ",
                        residual.id(), residual.extents_pending(), residual.extents_copying(),
                        residual.extents_landing());
  }
  return text;
}

}  // namespace

void EpochWork::Claim(const action::Claim& action) {
  OwnerGone gone{.epoch = action.epoch, .proof = action.proof};
  const std::optional<LeaseRecord> record = around_.lease.Of(action.epoch);
  if (record) gone.meta_sequence = record->meta_sequence;
  off_node_ = record && TurnsNodeOff(action.proof) ? record->node : "";
  absl::StatusOr<std::unique_ptr<OwnedEpoch>> owned = ClaimAfter(gone);
  if (!owned.ok()) {
    return around_.events.Post(
        event::ClaimEnded{.ok = false, .epoch = 0, .text = Message(owned.status())});
  }
  owned_epoch_ = *std::move(owned);
  around_.events.Post(event::ClaimEnded{.ok = true, .epoch = owned_epoch_->epoch(), .text = {}});
}

absl::StatusOr<std::unique_ptr<OwnedEpoch>> EpochWork::ClaimAfter(const OwnerGone& gone) {
  PosixStorage* const storage = around_.watch.storage();
  if (storage == nullptr) return absl::UnavailableError("the pool's storage is not there");
  return OwnedEpoch::Claim({.storage = *storage,
                            .runtime = options_.runtime,
                            .identity = options_.identity,
                            .lease_times = options_.lease_times,
                            .pauses = options_.pauses,
                            .durability = options_.durability,
                            .watchdog = options_.watchdog,
                            .on_fault = options_.on_fault,
                            .on_lock_freed = options_.on_lock_freed},
                           gone);
}

void EpochWork::StopOldWatchdog() {
  if (owned_epoch_ != nullptr) return;  // it is this one's
  const absl::Status stopped = Watchdog::StopLeftRunning(options_.watchdog);
  if (!stopped.ok()) spdlog::warn("the watchdog may reset this node: {}", Message(stopped));
}

void EpochWork::Recover() {
  const absl::Status status = OpenEpoch();
  if (status.ok()) {
    handoff_.Put(LentEpoch(*owned_epoch_, off_node_));
  } else {
    owned_epoch_.reset();
  }
  around_.events.Post(event::RecoveryEnded{.ok = status.ok(), .text = Message(status)});
  if (EvictionOf(status)) options_.on_fault(status);
}

absl::Status EpochWork::OpenEpoch() {
  BATON_RETURN_IF_ERROR(owned_epoch_->Open());
  BATON_RETURN_IF_ERROR(DropLocksOfGone());
  BATON_RETURN_IF_ERROR(
      SettleOwnEviction(owned_epoch_->engine(), options_.identity.node, around_.router.HasFiles()));
  return CheckFeedback();
}

// The feedback of the owner before and what was found must tell the same; if not, something was
// lost or written that nobody knows of, and serving would hide it.
absl::Status EpochWork::CheckFeedback() {
  Engine& engine = owned_epoch_->engine();
  const std::optional<peer_api::Feedback> said =
      around_.feedback.ReceivedOf(owned_epoch_->epoch() - 1);
  if (!said) return absl::OkStatus();  // whoever crashed could not tell
  std::vector<Residual> told(said->residuals().begin(), said->residuals().end());
  std::vector<Residual> found;
  for (const CloneStatus& clone : engine.ListClones()) {
    const RelationState state = StateOf(clone);
    if (state == FAILED) {  // by what recovery could not read: nothing is left of it
      std::erase_if(told, [&](const Residual& residual) { return residual.id() == clone.id(); });
    }
    if (state != COPYING && state != PAUSED) continue;
    BATON_ASSIGN_OR_RETURN(Residual residual, engine.CloneResidual(clone.id(), false));
    found.push_back(std::move(residual));
  }
  notes_.Add({.kind = "feedback-received",
              .text = fmt::format("the owner of epoch {}: {}", said->epoch(), TextOf(told))});
  notes_.Add({.kind = "residual-found", .text = TextOf(found)});
  return Annotate(CompareFeedback(told, found),
                  "the owner before said something else than what was found");
}

// Before anybody is served: what programs of a node that is off held is free, of one that is none
// of the pool's any more, and of one that is evicted: the owner that evicted it may have ended
// before it dropped them.
absl::Status EpochWork::DropLocksOfGone() {
  Engine& engine = owned_epoch_->engine();
  std::vector<std::string> nodes = options_.peers;
  nodes.push_back(options_.identity.node);
  BATON_RETURN_IF_ERROR(engine.DropLocksOfOthers(nodes));
  for (const EvictionRecord& evicted : engine.EvictedNodes()) {
    BATON_RETURN_IF_ERROR(engine.DropLocks(evicted.node()));
  }
  return off_node_.empty() ? absl::OkStatus() : engine.DropLocks(off_node_);
}

void EpochWork::Seal() {
  handoff_.Take();  // where nobody has served it
  const absl::Status status = SealOwnedEpoch();
  around_.events.Post(event::SealEnded{.ok = status.ok(), .text = Message(status)});
}

absl::Status EpochWork::SealOwnedEpoch() {
  if (owned_epoch_ == nullptr) return absl::OkStatus();
  BATON_ASSIGN_OR_RETURN(const std::vector<Residual> residuals, owned_epoch_->Seal());
  around_.feedback.KeepOwn(owned_epoch_->epoch(), residuals);
  around_.services.End();
  const absl::Status released = owned_epoch_->Release();
  owned_epoch_.reset();
  return released;
}

void EpochWork::RecordClaim() {
  const absl::Status recorded = owned_epoch_->RecordClaim();
  if (!recorded.ok()) spdlog::warn("an event is missing: {}", Message(recorded));
  RecordNotes();
}

void EpochWork::RecordNotes() {
  if (owned_epoch_ == nullptr) return;
  for (const auto& [kind, text] : notes_.Take()) {
    const absl::Status recorded = owned_epoch_->RecordEvent(kind, text);
    if (!recorded.ok()) spdlog::warn("an event is missing: {}", Message(recorded));
  }
}

void EpochWork::WriteCertificate(const LeaseRecord& record) {
  PosixStorage* const storage = around_.watch.storage();
  if (storage == nullptr) return;
  DeathCertificate certificate;
  certificate.set_epoch(record.epoch);
  certificate.set_node(record.node);
  certificate.set_boot_id(record.boot_id);
  certificate.set_instance(record.instance);
  const absl::Status written = WriteDeathCertificate(*storage, certificate);
  if (!written.ok()) spdlog::warn("no death certificate was written: {}", Message(written));
}

}  // namespace baton::ha
