// What a coordinator knows of the world outside its own process, and the questions that it asks
// about it. Knows nothing of states.
#pragma once

#include <absl/time/time.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "ha/core/events.h"
#include "ha/core/options.h"

namespace baton::ha {

// The newest lease record, and since when it has been as it is.
struct LeaseFact {
  event::LeaseSeen record;
  absl::Duration epoch_seen;  // when a record of this epoch was seen first
  absl::Duration first_seen;  // the end of the look that saw it as it is
  absl::Duration last_look;   // the beginning of the last look that did
};

class Facts {
 public:
  Facts(const CoordinatorOptions& options, absl::Duration now) : options_(options), now_(now) {}

  void Advance(absl::Duration now) { now_ = std::max(now_, now); }
  absl::Duration now() const { return now_; }

  void Take(const event::Tick&) {}
  void Take(const event::LeaseSeen& seen);
  void Take(const event::NoLease&);
  void Take(const event::StorageHealth& health);
  // Ignored when it is about an epoch that is over.
  void Take(const event::Heartbeat& heartbeat);
  void Take(const event::Certificate& certificate);
  void Take(const event::StopAnswered& answer);
  void Take(const event::HandoverOffered& offer);
  void Take(const event::OperatorTakeover& order);
  void Take(const event::FenceEnded& ended);
  void Take(const event::FenceMonitored& monitored);
  void NoteFenceStarted();

  // Of storage.
  const std::optional<event::StorageHealth>& storage() const { return storage_; }
  bool StorageOk() const { return storage_ && storage_->ok; }
  // Its storage answers and has been looked at just now: this node knows what it talks about.
  bool CanJudge() const { return StorageOk() && now_ - looked_ <= options_.look_limit; }

  // Of the lease. nullptr: none has been seen.
  const LeaseFact* lease() const { return lease_ ? &*lease_ : nullptr; }
  // 0: none.
  uint64_t epoch() const { return lease_ ? lease_->record.epoch : 0; }
  // Since when it is known that the pool never had an owner.
  std::optional<absl::Duration> no_lease_since() const { return no_lease_since_; }
  absl::Duration Unchanged() const;
  // Of the owner of the newest record.
  const event::OwnerTimes& times() const;
  bool Stale() const { return Unchanged() >= times().stale_after; }
  bool Released() const { return lease_ && lease_->record.released; }
  // The owner is, or was, this node; perhaps this very process.
  bool OwnerIsThisNode() const { return lease_ && lease_->record.node == options_.node; }
  // `baton pool drain`, which no machine has the name of.
  bool OwnerIsDrain() const { return lease_ && lease_->record.node == kDrainName; }
  bool OwnerIs(Holder holder) const { return lease_ && lease_->record.holder == holder; }

  // What others say of the owner of the newest record; all of it is forgotten with the epoch.
  absl::Duration OwnerSilentFor() const;
  bool OwnerSilent() const { return OwnerSilentFor() >= options_.suspect_after; }
  bool OwnerUnwell() const;  // by its own words, and it goes on
  bool Certified() const;
  // The owner told this node that it has sealed the epoch: the pool is this node's to claim.
  bool SealedForThisNode() const;

  // Of the operator.
  bool Ordered() const;
  bool OrderSaysDead() const { return Ordered() && order_->dead; }

  // Of the fence command, for the record as it is.
  bool FenceRunning() const { return fence_.running; }
  bool FenceConfirmed() const { return fence_.result && fence_.result->ok; }
  const event::FenceEnded* FenceFailure() const;
  // The first node by name that it said last it could not turn off; nullptr: there is none.
  const event::FenceMonitored* FenceUnready() const;
  absl::Duration FenceEndedAt() const { return fence_.ended; }

  // Of the peers.
  bool Hears(const std::string& node) const;
  bool HearsHealthy(const std::string& node) const;
  bool HearsEligiblePeer() const;
  // The lowest name of a healthy peer; empty: there is none.
  std::string HealthyPeer() const;
  // What a peer that is heard says of its times, where they are not this node's; empty: nothing.
  std::string OtherTimes() const;
  // Peers whose names come before this node's.
  int Rank() const;

 private:
  struct Peer {
    event::Heartbeat last;
    absl::Duration heard;
  };
  // Of an epoch and its owner.
  using Messages = std::set<std::pair<uint64_t, std::string>>;
  struct Order {
    bool dead = false;
    absl::Duration given;
  };
  struct Fence {
    bool running = false;
    bool counts = false;  // the record is as it was when the command was started
    std::optional<event::FenceEnded> result;
    absl::Duration ended;
  };

  bool IsPeer(const std::string& node) const;
  void ForgetEpoch();
  const Peer* OwnerHeard() const;
  static void Remember(Messages& messages, uint64_t epoch, const std::string& owner);
  bool IsOwnerIn(const Messages& messages) const;

  const CoordinatorOptions& options_;
  absl::Duration now_;
  std::optional<event::StorageHealth> storage_;
  std::optional<LeaseFact> lease_;
  std::optional<absl::Duration> no_lease_since_;
  absl::Duration looked_ = -absl::InfiniteDuration();  // the beginning of the last look
  std::map<std::string, Peer> peers_;
  Messages certificates_;  // may come before the record is seen
  Messages sealed_;        // likewise
  std::optional<Order> order_;
  Fence fence_;
  std::map<std::string, event::FenceMonitored> fence_unready_;  // by node
};

}  // namespace baton::ha
