// Changes of owner that an operator asks for.
#pragma once

#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include <set>
#include <string>

#include "engine/base/runtime.h"
#include "ha/node/event_queue.h"
#include "ha/node/ownership_board.h"
#include "ha/node/peer_table.h"

namespace baton::ha {

// Tells the coordinator, and waits for what follows. Thread-safe.
class OperatorOrders {
 public:
  // `peers`: the other nodes. The references outlive this.
  OperatorOrders(Runtime& runtime, std::set<std::string> peers, PeerTable& table,
                 OwnershipBoard& board, EventQueue& events)
      : runtime_(runtime),
        peers_(std::move(peers)),
        table_(table),
        board_(board),
        events_(events) {}

  // A planned change of owner, asked of the owner: returns when `to` (empty: whoever is fit) owns
  // the pool. A node that is not heard gets a few seconds. Refusals are FailedPrecondition;
  // DeadlineExceeded: not in time.
  absl::StatusOr<Ownership> HandOver(const std::string& to, absl::Duration timeout);
  // Asked of a standby in an emergency: this node is to take over by an operator's word from the
  // owner of `epoch`; 0: of whichever epoch is seen first. Another node may be faster: then the
  // answer names that one.
  absl::StatusOr<Ownership> TakeOver(uint64_t epoch, bool owner_is_dead, absl::Duration timeout);

 private:
  Runtime& runtime_;
  const std::set<std::string> peers_;
  PeerTable& table_;
  OwnershipBoard& board_;
  EventQueue& events_;
};

}  // namespace baton::ha
