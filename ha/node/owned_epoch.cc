#include "ha/node/owned_epoch.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "engine/base/status.h"
#include "engine/lease/reserve.h"

namespace baton::ha {
namespace {

void LogResidual(const Residual& residual) {
  spdlog::info("clone {} is left with {} extents: {} pending, {} copying, {} landing",
               residual.id(), residual.extents_residual(), residual.extents_pending(),
               residual.extents_copying(), residual.extents_landing());
}

// Of what the next owner reads of the write log: its lists, and three segments without one. Storage
// that others share may be as slow as that.
absl::Duration TimeToRead(uint64_t used_bytes) {
  constexpr double kBytesPerSecond = 100 * limits::kMiB;
  constexpr uint64_t kSegmentBytes = limits::kWriteLogSegmentBlocks * limits::kBlockBytes;
  if (used_bytes == 0) return absl::ZeroDuration();
  const uint64_t lists = WriteLogShape().list_blocks() * limits::kBlockBytes;
  const uint64_t bytes =
      std::min(used_bytes, 3 * kSegmentBytes) + used_bytes / kSegmentBytes * lists;
  return absl::Seconds(static_cast<double>(bytes) / kBytesPerSecond);
}

}  // namespace

absl::StatusOr<std::unique_ptr<OwnedEpoch>> OwnedEpoch::Claim(Options options,
                                                              const OwnerGone& gone) {
  std::unique_ptr<OwnedEpoch> owned(new OwnedEpoch(std::move(options), gone));
  const Options& given = owned->options_;
  BATON_ASSIGN_OR_RETURN(std::unique_ptr<KillTimer> kill_timer, MakeKillTimer());
  BATON_RETURN_IF_ERROR(owned->StartWatchdog());
  absl::StatusOr<ClaimedEpoch> claimed = ClaimNextEpoch({.storage = given.storage,
                                                         .runtime = given.runtime,
                                                         .identity = given.identity,
                                                         .times = given.lease_times,
                                                         .watchdog = given.watchdog.EffectiveTime(),
                                                         .kill_timer = std::move(kill_timer),
                                                         .pauses = given.pauses,
                                                         .on_lost = given.on_fault,
                                                         .on_renewed =
                                                             [watchdog = owned->watchdog_.get()] {
                                                               if (watchdog != nullptr)
                                                                 watchdog->Feed();
                                                             }},
                                                        gone);
  if (!claimed.ok()) {
    // Nothing was written in that epoch, whatever became of the claim.
    owned->StopWatchdog().IgnoreError();
    return claimed.status();
  }
  owned->claimed_ = *std::move(claimed);
  spdlog::info("claimed epoch {} (proof that the owner before is gone: {})", owned->epoch(),
               Name(gone.proof));
  return owned;
}

OwnedEpoch::~OwnedEpoch() {
  if (claimed_.lease == nullptr) return;
  const absl::Status released = Release();
  if (!released.ok()) spdlog::warn("the lease was not released: {}", Message(released));
}

// Before the claim: who finds that counts on it.
absl::Status OwnedEpoch::StartWatchdog() {
  if (options_.watchdog.device.empty()) return absl::OkStatus();
  BATON_ASSIGN_OR_RETURN(watchdog_, Watchdog::Start(options_.watchdog));
  return absl::OkStatus();
}

absl::Status OwnedEpoch::StopWatchdog() {
  return watchdog_ == nullptr ? absl::OkStatus() : watchdog_->Stop();
}

absl::Status OwnedEpoch::Open() {
  PosixStorage& storage = options_.storage;
  BATON_ASSIGN_OR_RETURN(const uint64_t known,
                         Engine::KnownMetaSequence(storage, options_.runtime));
  claimed_.known_sequence = std::max(claimed_.known_sequence, known);
  BATON_ASSIGN_OR_RETURN(auto meta, OpenClaimedStore(storage, storage.directory(), claimed_));
  BATON_ASSIGN_OR_RETURN(engine_, Engine::Open({.storage = storage,
                                                .runtime = options_.runtime,
                                                .fence = *claimed_.lease,
                                                .meta = std::move(meta),
                                                .epoch = epoch(),
                                                .durability = options_.durability,
                                                .node = options_.identity.node,
                                                .hold_copiers = true,
                                                .on_fault = options_.on_fault,
                                                .on_lock_freed = options_.on_lock_freed}));
  // What follows takes long in a new pool alone.
  recovery_ = options_.runtime.BootTime() - begun_;
  // Before hosts write: on a full storage nothing would be left of it after that.
  const absl::Status reserved = FillReserve(storage);
  if (!reserved.ok()) spdlog::warn("{}", Message(reserved));
  return absl::OkStatus();
}

absl::Duration OwnedEpoch::ExpectedRecovery() const {
  return recovery_ + TimeToRead(engine_->WriteLogUsedBytes());
}

absl::Status OwnedEpoch::RecordClaim() {
  return RecordEvent("epoch-claimed", fmt::format("node {} claimed epoch {}, proof: {}",
                                                  options_.identity.node, epoch(), Name(proof_)));
}

absl::Status OwnedEpoch::RecordEvent(const std::string& kind, const std::string& text) {
  baton::Event event;
  event.set_kind(kind);
  event.set_text(text);
  return engine_->RecordEvent(std::move(event));
}

absl::StatusOr<std::vector<Residual>> OwnedEpoch::Seal() {
  BATON_ASSIGN_OR_RETURN(std::vector<Residual> residuals, engine_->Seal());
  for (const Residual& residual : residuals) LogResidual(residual);
  return residuals;
}

// The lease protects whatever the engine may still write, so the engine goes first.
absl::Status OwnedEpoch::Release() {
  engine_.reset();
  const std::unique_ptr<Lease> lease = std::move(claimed_.lease);
  // Where that fails the watchdog runs on: a peer may count on the reset (Proof::kWatchdog), and
  // takes what this node has open for closed.
  BATON_RETURN_IF_ERROR(lease->Release());
  spdlog::info("released epoch {}", epoch());
  return StopWatchdog();
}

}  // namespace baton::ha
