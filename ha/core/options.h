// How a coordinator is set.
#pragma once

#include <absl/status/status.h>
#include <absl/time/time.h>

#include <string>
#include <vector>

#include "ha/core/events.h"

namespace baton::ha {

// As which `baton pool drain` owns a pool: no node has this name.
inline constexpr char kDrainName[] = "pool-drain";

struct CoordinatorOptions {
  std::string node;
  std::vector<std::string> peers;  // the other nodes, in any order
  Takeover takeover = Takeover::kAuto;
  bool has_fence = false;
  absl::Duration fence_delay;  // how long this node waits before it fences: not the same on two
  // Whether the death of a process ends its writes: not on NFS.
  bool certificate_counts = true;
  // Counts from the last heartbeat, or from the first sight of a lease record.
  absl::Duration suspect_after = absl::Milliseconds(500);
  event::OwnerTimes times;  // this node's own, by which an owner is judged that does not tell its

  // What was read longer ago is no ground for doing anything to anybody.
  absl::Duration look_limit = absl::Seconds(1);

  absl::Duration stop_retry = absl::Seconds(1);          // the owner is asked to stop once more
  absl::Duration fence_retry = absl::Seconds(5);         // after a fence command that failed
  absl::Duration claim_retry = absl::Milliseconds(500);  // after a claim that failed
  absl::Duration recovery_retry = absl::Seconds(10);     // after a recovery that failed

  absl::Duration stagger = absl::Milliseconds(300);      // between nodes that want a free pool
  absl::Duration offer_grace = absl::Milliseconds(500);  // for the node that was offered the pool
  absl::Duration hear_peer = absl::Seconds(1);    // a restarted owner listens for a peer so long
  absl::Duration peer_claims = absl::Seconds(2);  // and leaves the claim to one so long
  absl::Duration seal_limit = absl::Seconds(10);
  absl::Duration order_lasts = absl::Seconds(60);  // an operator's
};

// InvalidArgument: these times contradict each other, or names do.
absl::Status CheckCoordinatorOptions(const CoordinatorOptions& options);

}  // namespace baton::ha
