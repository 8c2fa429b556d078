// The epoch's thread: what of a change of owner takes long.
#include <spdlog/spdlog.h>

#include <utility>

#include "engine/base/status.h"
#include "engine/feedback.h"
#include "engine/lease/death_certificate.h"
#include "ha/io/eviction_status.h"
#include "ha/node/ha_node.h"
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

void HaNode::Claim(const action::Claim& action) {
  PosixStorage* const storage = watch_->storage();
  OwnerGone gone{.epoch = action.epoch, .proof = Name(action.proof)};
  {
    absl::MutexLock lock(&mutex_);
    const bool is_known = lease_ && lease_->epoch == action.epoch;
    if (is_known) gone.meta_sequence = lease_->meta_sequence;
    gone_ = is_known && TurnsNodeOff(action.proof) ? lease_->node : "";
  }
  if (storage == nullptr) {
    return Post(
        event::ClaimEnded{.ok = false, .epoch = 0, .text = "the pool's storage is not there"});
  }
  absl::StatusOr<std::unique_ptr<OwnedEpoch>> owned =
      OwnedEpoch::Claim({.storage = *storage,
                         .runtime = runtime_,
                         .identity = options_.identity,
                         .lease_times = options_.lease_times,
                         .durability = options_.durability,
                         .watchdog = options_.watchdog,
                         .on_fault = hooks_.fault,
                         .on_lock_freed =
                             [this](uint64_t volume_id) {
                               hooks_.lock_freed(volume_id);
                               TellLockFreed(volume_id);
                             }},
                        gone);
  if (!owned.ok()) {
    return Post(event::ClaimEnded{.ok = false, .epoch = 0, .text = Message(owned.status())});
  }
  owned_epoch_ = *std::move(owned);
  Post(event::ClaimEnded{.ok = true, .epoch = owned_epoch_->epoch(), .text = {}});
}

// A process before this one may have left it running, and would not need to have.
void HaNode::StopOldWatchdog() {
  if (owned_epoch_ != nullptr) return;  // it is this one's
  const absl::Status stopped = Watchdog::StopLeftRunning(options_.watchdog);
  if (!stopped.ok()) spdlog::warn("the watchdog may reset this node: {}", Message(stopped));
}

// The feedback of the owner before and what was found must tell the same; if not, something was
// lost or written that nobody knows of, and serving would hide it.
void HaNode::Recover() {
  absl::Status status = owned_epoch_->Open();
  if (status.ok()) {
    status = SettleOwnEviction(owned_epoch_->engine(), options_.identity.node,
                               options_.router.HasFiles());
  }
  if (status.ok()) status = CheckFeedback(owned_epoch_->engine());
  if (status.ok()) status = DropLocksOfGone();
  if (!status.ok()) owned_epoch_.reset();
  Post(event::RecoveryEnded{.ok = status.ok(), .text = Message(status)});
  if (EvictionOf(status)) hooks_.fault(status);
}

// Before anybody is served: what programs of a node that is off held is free, and of one that is
// none of the pool's any more.
absl::Status HaNode::DropLocksOfGone() {
  std::string gone;
  {
    absl::MutexLock lock(&mutex_);
    gone = gone_;
  }
  std::vector<std::string> nodes = {options_.identity.node};
  for (const auto& [peer, volumes] : remotes_) nodes.push_back(peer);
  BATON_RETURN_IF_ERROR(owned_epoch_->engine().DropLocksOfOthers(nodes));
  return gone.empty() ? absl::OkStatus() : owned_epoch_->engine().DropLocks(gone);
}

absl::Status HaNode::CheckFeedback(Engine& engine) {
  peer_api::Feedback said;
  {
    absl::MutexLock lock(&mutex_);
    said = received_feedback_;
  }
  // Whoever crashed could not tell.
  if (said.epoch() == 0 || said.epoch() != owned_epoch_->epoch() - 1) return absl::OkStatus();
  std::vector<Residual> told(said.residuals().begin(), said.residuals().end());
  std::vector<Residual> found;
  for (const CloneStatus& clone : engine.ListClones()) {
    if (clone.state() == "failed") {  // by what recovery could not read: nothing is left of it
      std::erase_if(told, [&](const Residual& residual) { return residual.id() == clone.id(); });
    }
    if (clone.state() != "copying" && clone.state() != "paused") continue;
    BATON_ASSIGN_OR_RETURN(Residual residual, engine.CloneResidual(clone.id(), false));
    found.push_back(std::move(residual));
  }
  {
    absl::MutexLock lock(&mutex_);
    notes_.emplace_back("feedback-received",
                        fmt::format("the owner of epoch {}: {}", said.epoch(), TextOf(told)));
    notes_.emplace_back("residual-found", TextOf(found));
  }
  return Annotate(CompareFeedback(told, found),
                  "the owner before said something else than what was found");
}

void HaNode::Seal() {
  const absl::Status status = SealOwnedEpoch();
  Post(event::SealEnded{.ok = status.ok(), .text = Message(status)});
}

absl::Status HaNode::SealOwnedEpoch() {
  if (owned_epoch_ == nullptr) return absl::OkStatus();
  BATON_ASSIGN_OR_RETURN(const std::vector<Residual> residuals, owned_epoch_->Seal());
  {
    absl::MutexLock lock(&mutex_);
    sent_feedback_.Clear();
    sent_feedback_.set_epoch(owned_epoch_->epoch());
    sent_feedback_.mutable_residuals()->Assign(residuals.begin(), residuals.end());
  }
  hooks_.end();
  const absl::Status released = owned_epoch_->Release();
  owned_epoch_.reset();
  return released;
}

void HaNode::RecordClaim() {
  const absl::Status recorded = owned_epoch_->RecordClaim();
  if (!recorded.ok()) spdlog::warn("an event is missing: {}", Message(recorded));
  RecordNotes();
}

void HaNode::RecordNotes() {
  if (owned_epoch_ == nullptr) return;
  std::deque<std::pair<std::string, std::string>> notes;
  {
    absl::MutexLock lock(&mutex_);
    notes.swap(notes_);
  }
  for (const auto& [kind, text] : notes) {
    const absl::Status recorded = owned_epoch_->RecordEvent(kind, text);
    if (!recorded.ok()) spdlog::warn("an event is missing: {}", Message(recorded));
  }
}

void HaNode::WriteCertificate(const LeaseRecord& record) {
  PosixStorage* const storage = watch_->storage();
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
