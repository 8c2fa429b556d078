#include "engine/lease/claim.h"

#include <absl/synchronization/mutex.h>
#include <spdlog/spdlog.h>

#include <atomic>
#include <memory>
#include <optional>
#include <utility>

#include "engine/base/status.h"
#include "engine/lease/lease_file.h"
#include "engine/lease/lease_watch.h"
#include "engine/lease/reserve.h"
#include "engine/meta/epoch_directory.h"
#include "engine/meta/rocks_store.h"

namespace baton {
namespace {

void SleepUntil(Runtime& runtime, absl::Duration deadline) {
  absl::Mutex mutex;
  absl::CondVar never;
  const absl::MutexLock lock(&mutex);
  while (runtime.BootTime() < deadline) runtime.WaitUntil(never, mutex, deadline);
}

// Every claim leaves a lease record before it touches the metadata.
absl::Status CheckLeaseCoversMetadata(Storage& storage, uint64_t lease_epoch) {
  BATON_ASSIGN_OR_RETURN(const uint64_t metadata_epoch, LatestEpoch(storage));
  if (metadata_epoch <= lease_epoch) return absl::OkStatus();
  return Error(absl::StatusCode::kDataLoss,
               "{} is missing although {} is there: nobody can tell whether its owner is alive",
               LeasePath(metadata_epoch), EpochDirectory(metadata_epoch));
}

// A proof that needs no waiting.
std::optional<Proof> ImmediateProof(const StartOptions& options, const LeaseRecord& record) {
  if (record.released) return Proof::kHandover;
  const bool is_predecessor =
      record.node == options.identity.node && record.boot_id == options.identity.boot_id;
  if (is_predecessor && options.holds_node_lock) return Proof::kCertificate;
  return std::nullopt;
}

OwnerGone Gone(const LeaseRecord& record, Proof proof) {
  return {.epoch = record.epoch, .meta_sequence = record.meta_sequence, .proof = proof};
}

absl::Status OwnerIsAlive(const LeaseRecord& record) {
  return Error(absl::StatusCode::kFailedPrecondition,
               "pool is owned by node {} (epoch {}), which is alive", record.node, record.epoch);
}

// `watch` has looked once, and nothing there tells at once that the owner is gone.
absl::StatusOr<OwnerGone> AwaitUnchanged(const StartOptions& options, LeaseWatch& watch) {
  const LeaseRecord first = *watch.record();
  OwnerTimes owner = JudgeBy(first.times, OwnerTimesOf(options.times, absl::ZeroDuration()));
  // Its watchdog is this node's, which would not be running this.
  if (first.node == options.identity.node) owner.watchdog = absl::ZeroDuration();
  spdlog::info("waiting {} for the lease of node {} (epoch {}) to run out",
               absl::FormatDuration(TakeoverWait(owner)), first.node, first.epoch);
  while (watch.unchanged() < TakeoverWait(owner)) {
    if (options.give_up()) return absl::CancelledError("the start was called off");
    SleepUntil(options.runtime, options.runtime.BootTime() + options.times.poll);
    BATON_RETURN_IF_ERROR(watch.Look());
    if (watch.record() == first) continue;
    if (!watch.record()) return absl::DataLossError("the lease records have disappeared");
    const LeaseRecord& now = *watch.record();
    const std::optional<Proof> proof = ImmediateProof(options, now);
    if (!proof) return OwnerIsAlive(now);
    return Gone(now, *proof);
  }
  return Gone(first, owner.watchdog > absl::ZeroDuration() ? Proof::kWatchdog : Proof::kLease);
}

LeaseRecord FirstRecord(const ClaimOptions& options, const OwnerGone& gone) {
  return {.epoch = gone.epoch + 1,
          .counter = 1,
          .meta_sequence = gone.meta_sequence,
          .node = options.identity.node,
          .boot_id = options.identity.boot_id,
          .instance = options.identity.instance,
          .times = OwnerTimesOf(options.times, options.watchdog)};
}

// The epoch that the metadata comes from; 0: from none.
absl::StatusOr<uint64_t> PrepareMetadata(Storage& storage, const Lease& lease) {
  BATON_ASSIGN_OR_RETURN(const uint64_t from_epoch, LatestEpoch(storage));
  BATON_RETURN_IF_ERROR(lease.Check());
  BATON_RETURN_IF_ERROR(SealAndCopy(storage, from_epoch, lease.epoch()));
  return from_epoch;
}

// RocksDB drops what follows a damaged record of a log, and says nothing.
absl::Status CheckNothingLost(const MetaStore& store, const ClaimedEpoch& claimed) {
  if (store.LatestSequence() >= claimed.known_sequence) return absl::OkStatus();
  return Error(absl::StatusCode::kDataLoss,
               "{} ends at sequence {}, but {} was durable: a log is damaged or lost",
               EpochDirectory(claimed.epoch), store.LatestSequence(), claimed.known_sequence);
}

}  // namespace

absl::StatusOr<OwnerGone> AwaitOwnerGone(const StartOptions& options) {
  BATON_RETURN_IF_ERROR(CheckLeaseTimes(options.times));
  LeaseWatch watch(options.storage, options.runtime);
  BATON_RETURN_IF_ERROR(watch.Look());
  const std::optional<LeaseRecord>& record = watch.record();
  BATON_RETURN_IF_ERROR(CheckLeaseCoversMetadata(options.storage, record ? record->epoch : 0));
  if (!record) return OwnerGone{.proof = Proof::kNoneNeeded};
  const std::optional<Proof> proof = ImmediateProof(options, *record);
  if (proof) return Gone(*record, *proof);
  return AwaitUnchanged(options, watch);
}

absl::StatusOr<ClaimedEpoch> ClaimNextEpoch(ClaimOptions options, const OwnerGone& gone) {
  Storage& storage = options.storage;
  BATON_RETURN_IF_ERROR(ReleaseReserve(storage));
  absl::StatusOr<std::unique_ptr<Lease>> lease =
      Lease::Claim({.storage = storage,
                    .runtime = options.runtime,
                    .kill_timer = std::move(options.kill_timer),
                    .times = options.times,
                    .pauses = options.pauses,
                    .on_lost = std::move(options.on_lost),
                    .on_renewed = std::move(options.on_renewed)},
                   FirstRecord(options, gone));
  if (absl::IsAlreadyExists(lease.status())) {
    return absl::FailedPreconditionError(Message(lease.status()));
  }
  BATON_RETURN_IF_ERROR(lease.status());
  const absl::StatusOr<uint64_t> from_epoch = PrepareMetadata(storage, **lease);
  if (!from_epoch.ok()) {
    (*lease)->Release().IgnoreError();  // otherwise it runs out
    return from_epoch.status();
  }
  const uint64_t epoch = (*lease)->epoch();
  const absl::Status removed = RemoveOldLeases(storage, epoch);
  if (!removed.ok()) spdlog::warn("old lease records were not removed: {}", Message(removed));
  return ClaimedEpoch{.epoch = epoch,
                      .lease = *std::move(lease),
                      .create = *from_epoch == 0,
                      .known_sequence = gone.meta_sequence};
}

absl::StatusOr<std::unique_ptr<MetaStore>> OpenClaimedStore(Storage& storage,
                                                            const std::string& pool_directory,
                                                            const ClaimedEpoch& claimed) {
  Lease& lease = *claimed.lease;
  const auto proven = std::make_shared<std::atomic<bool>>(false);
  BATON_ASSIGN_OR_RETURN(
      std::unique_ptr<MetaStore> store,
      OpenRocksStore({.directory = pool_directory + "/" + EpochDirectory(claimed.epoch),
                      .fence = lease,
                      .create = claimed.create,
                      .uncommitted = true,
                      .on_synced = [&lease, proven](uint64_t sequence) {
                        if (*proven) lease.NoteSynced(sequence);
                      }}));
  BATON_RETURN_IF_ERROR(CheckNothingLost(*store, claimed));
  BATON_RETURN_IF_ERROR(lease.Check());
  BATON_RETURN_IF_ERROR(ProveEpoch(storage, claimed.epoch));
  *proven = true;
  lease.NoteSynced(store->SyncedSequence());
  return store;
}

}  // namespace baton
