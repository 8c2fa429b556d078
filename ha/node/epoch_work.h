// What of a change of owner takes long: claims an epoch, recovers and seals it.
#pragma once

#include <absl/base/thread_annotations.h>
#include <absl/status/status.h>
#include <absl/synchronization/mutex.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/base/runtime.h"
#include "engine/lease/pause_meter.h"
#include "engine/meta/node_identity.h"
#include "ha/core/events.h"
#include "ha/node/epoch_services.h"
#include "ha/node/event_queue.h"
#include "ha/node/latest_lease.h"
#include "ha/node/owned_epoch.h"
#include "ha/node/pending_notes.h"
#include "ha/node/seal_feedback.h"
#include "ha/node/storage_watch.h"
#include "ha/volumes/router.h"

namespace baton::ha {

// A recovered epoch, lent to whoever serves it: it stays as it is until the loan is given back
// (EpochRunner::Seal). There is one loan an epoch, and it moves. Empty: nothing is lent.
class LentEpoch {
 public:
  LentEpoch() = default;
  LentEpoch(OwnedEpoch& epoch, std::string off_node)
      : epoch_(&epoch), off_node_(std::move(off_node)) {}
  LentEpoch(LentEpoch&& other) noexcept
      : epoch_(std::exchange(other.epoch_, nullptr)), off_node_(std::move(other.off_node_)) {}
  LentEpoch& operator=(LentEpoch&& other) noexcept {
    epoch_ = std::exchange(other.epoch_, nullptr);
    off_node_ = std::move(other.off_node_);
    return *this;
  }

  explicit operator bool() const { return epoch_ != nullptr; }
  OwnedEpoch* operator->() const { return epoch_; }
  OwnedEpoch& operator*() const { return *epoch_; }
  // The owner before, where the proof of the claim is that its node is off; else empty.
  const std::string& off_node() const { return off_node_; }

 private:
  OwnedEpoch* epoch_ = nullptr;
  std::string off_node_;
};

// Where the epoch's thread leaves a recovered epoch for the coordinator's thread. Thread-safe.
class EpochHandoff {
 public:
  void Put(LentEpoch epoch) {
    absl::MutexLock lock(&mutex_);
    epoch_ = std::move(epoch);
  }
  LentEpoch Take() {
    absl::MutexLock lock(&mutex_);
    return std::move(epoch_);
  }

 private:
  absl::Mutex mutex_;
  LentEpoch epoch_ ABSL_GUARDED_BY(mutex_);
};

// Owns the epoch. One thread; it waits for storage and for what is in flight. Whatever is asked for
// ends with an event.
class EpochWork {
 public:
  struct Options {
    Runtime& runtime;
    NodeIdentity identity;
    std::vector<std::string> peers;  // the other nodes of the pool
    LeaseTimes lease_times;
    PauseMeter* pauses = nullptr;  // Lease::Options
    Durability durability = DURABILITY_NODE;
    Watchdog::Options watchdog = {};
    // The epoch is lost, the engine cannot go on, or the mount has to end. Takes note and returns.
    std::function<void(const absl::Status& why)> on_fault;
    std::function<void(uint64_t volume_id)> on_lock_freed;  // OwnedEpoch::Options
  };
  struct Surroundings {
    const StorageWatch& watch;
    const LatestLease& lease;
    const Router& router;
    EpochServices& services;
    SealFeedback& feedback;
    EventQueue& events;
  };

  // All references outlive this.
  EpochWork(Options options, Surroundings around, PendingNotes& notes, EpochHandoff& handoff)
      : options_(std::move(options)), around_(around), notes_(notes), handoff_(handoff) {}

  void Claim(const action::Claim& action);
  // A process before this one may have left its watchdog running, and would not need to have.
  void StopOldWatchdog();
  // After RecoveryEnded with ok the epoch lies in the handoff. REQUIRES: claimed.
  void Recover();
  // REQUIRES: nobody has the loan.
  void Seal();
  // REQUIRES: recovered, not sealed.
  void RecordClaim();
  // What was noted until now, if there is an epoch.
  void RecordNotes();
  void WriteCertificate(const LeaseRecord& record);

 private:
  absl::StatusOr<std::unique_ptr<OwnedEpoch>> ClaimAfter(const OwnerGone& gone);
  absl::Status OpenEpoch();
  absl::Status CheckFeedback();
  absl::Status DropLocksOfGone();
  absl::Status SealOwnedEpoch();

  const Options options_;
  const Surroundings around_;
  PendingNotes& notes_;
  EpochHandoff& handoff_;
  std::string off_node_;
  std::unique_ptr<OwnedEpoch> owned_epoch_;  // null: this node owns none
};

}  // namespace baton::ha
