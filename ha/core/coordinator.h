// Decides who owns the pool: the one place in which a takeover is decided. A pure state machine:
// it is told what happened and when, and answers what is to be done. No sockets, no clock, no
// files, no threads; the same events at the same times give the same answers.
//
// Every node has one. Any number of nodes may share a pool: that there is one owner an epoch is
// kept by the exclusive claim, never by an agreement of coordinators. What a coordinator must get
// right is that it does not claim before there is a proof that the owner cannot write any more.
//
// Names of nodes in events are those that the sender's key stands for, not what a message claims.
#pragma once

#include <absl/time/time.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ha/core/events.h"
#include "ha/core/options.h"

namespace baton::ha {

class Machine;

// One thread at a time.
class Coordinator {
 public:
  // Starts as a follower. `now`, here and in Step: CLOCK_BOOTTIME; never goes back.
  // REQUIRES: CheckCoordinatorOptions(options).ok().
  Coordinator(CoordinatorOptions options, absl::Duration now);
  ~Coordinator();

  // What is to be done because of `event`, in this order. Nothing any more after EndProcess.
  std::vector<Action> Step(const Event& event, absl::Duration now);

  State state() const;
  // What heartbeats say: the epoch that this node owns, or else the newest it knows; 0: none.
  uint64_t epoch() const;
  // Of the newest lease record, if it is not released; empty: nobody owns the pool.
  std::string owner() const;
  // By which proof this process claimed its last epoch; nullopt: it never did.
  std::optional<Proof> proof() const;
  // Its storage answers, and it has no fault.
  bool healthy() const;
  // It would take over by itself if the owner's death were certified: healthy, a standby that is
  // not about to end, not in mode manual.
  bool eligible() const;
  // Since when the newest lease record has not changed, on this node's clock.
  absl::Duration lease_unchanged() const;

 private:
  const std::unique_ptr<Machine> machine_;
};

}  // namespace baton::ha
