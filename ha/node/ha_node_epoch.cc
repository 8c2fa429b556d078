// The tenure's thread: what of a change of owner takes long.
#include <spdlog/spdlog.h>

#include <utility>

#include "engine/base/status.h"
#include "engine/feedback.h"
#include "engine/lease/death_certificate.h"
#include "ha/io/eviction_status.h"
#include "ha/node/ha_node.h"
#include "ha/node/own_eviction.h"

namespace baton {
namespace {

// What a node that is off had open is closed.
bool TurnsNodeOff(ha::Proof proof) {
  return proof == ha::Proof::kFence || proof == ha::Proof::kOperator ||
         proof == ha::Proof::kWatchdog;
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

void Pair::Claim(const ha::action::Claim& action) {
  PosixStorage* const storage = watch_->storage();
  OwnerGone gone{.epoch = action.epoch, .proof = ha::Name(action.proof)};
  {
    absl::MutexLock lock(&mutex_);
    const bool is_known = lease_ && lease_->epoch == action.epoch;
    if (is_known) gone.meta_sequence = lease_->meta_sequence;
    gone_ = is_known && TurnsNodeOff(action.proof) ? lease_->node : "";
  }
  if (storage == nullptr) {
    return Post(
        ha::event::ClaimEnded{.ok = false, .epoch = 0, .text = "the pool's storage is not there"});
  }
  absl::StatusOr<std::unique_ptr<Tenure>> tenure =
      Tenure::Claim({.storage = *storage,
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
  if (!tenure.ok()) {
    return Post(ha::event::ClaimEnded{.ok = false, .epoch = 0, .text = Message(tenure.status())});
  }
  tenure_ = *std::move(tenure);
  Post(ha::event::ClaimEnded{.ok = true, .epoch = tenure_->epoch(), .text = {}});
}

// A process before this one may have left it running, and would not need to have.
void Pair::StopOldWatchdog() {
  if (tenure_ != nullptr) return;  // it is this one's
  const absl::Status stopped = Watchdog::StopLeftRunning(options_.watchdog);
  if (!stopped.ok()) spdlog::warn("the watchdog may reset this node: {}", Message(stopped));
}

// The feedback of the owner before and what was found must tell the same; if not, something was
// lost or written that nobody knows of, and serving would hide it.
void Pair::Recover() {
  absl::Status status = tenure_->Open();
  if (status.ok()) {
    status =
        SettleOwnEviction(tenure_->engine(), options_.identity.node, options_.router.HasFiles());
  }
  if (status.ok()) status = CheckFeedback(tenure_->engine());
  if (status.ok()) status = DropLocksOfGone();
  if (!status.ok()) tenure_.reset();
  Post(ha::event::RecoveryEnded{.ok = status.ok(), .text = Message(status)});
  if (EvictionOf(status)) hooks_.fault(status);
}

// Before anybody is served: what programs of a node that is off held is free, and of one that is
// none of the pool's any more.
absl::Status Pair::DropLocksOfGone() {
  std::string gone;
  {
    absl::MutexLock lock(&mutex_);
    gone = gone_;
  }
  std::vector<std::string> nodes = {options_.identity.node};
  for (const auto& [peer, volumes] : remotes_) nodes.push_back(peer);
  BATON_RETURN_IF_ERROR(tenure_->engine().DropLocksOfOthers(nodes));
  return gone.empty() ? absl::OkStatus() : tenure_->engine().DropLocks(gone);
}

absl::Status Pair::CheckFeedback(Engine& engine) {
  pair::Feedback said;
  {
    absl::MutexLock lock(&mutex_);
    said = said_;
  }
  // Whoever crashed could not tell.
  if (said.epoch() == 0 || said.epoch() != tenure_->epoch() - 1) return absl::OkStatus();
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

void Pair::Seal() {
  const absl::Status status = SealTenure();
  Post(ha::event::SealEnded{.ok = status.ok(), .text = Message(status)});
}

absl::Status Pair::SealTenure() {
  if (tenure_ == nullptr) return absl::OkStatus();
  BATON_ASSIGN_OR_RETURN(const std::vector<Residual> residuals, tenure_->Seal());
  {
    absl::MutexLock lock(&mutex_);
    given_.Clear();
    given_.set_epoch(tenure_->epoch());
    given_.mutable_residuals()->Assign(residuals.begin(), residuals.end());
  }
  hooks_.end();
  const absl::Status released = tenure_->Release();
  tenure_.reset();
  return released;
}

void Pair::RecordClaim() {
  const absl::Status recorded = tenure_->RecordClaim();
  if (!recorded.ok()) spdlog::warn("an event is missing: {}", Message(recorded));
  RecordNotes();
}

void Pair::RecordNotes() {
  if (tenure_ == nullptr) return;
  std::deque<std::pair<std::string, std::string>> notes;
  {
    absl::MutexLock lock(&mutex_);
    notes.swap(notes_);
  }
  for (const auto& [kind, text] : notes) {
    const absl::Status recorded = tenure_->RecordEvent(kind, text);
    if (!recorded.ok()) spdlog::warn("an event is missing: {}", Message(recorded));
  }
}

void Pair::WriteCertificate(const LeaseRecord& record) {
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

}  // namespace baton
