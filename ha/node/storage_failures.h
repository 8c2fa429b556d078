// Storage that has failed under a request of a host: what becomes of the request, and of the pool.
#pragma once

#include <absl/status/status.h>

#include <functional>

#include "ha/node/peer_table.h"
#include "ha/node/served_epoch.h"
#include "ha/node/storage_watch.h"

namespace baton::ha {

// Thread-safe.
class StorageFailures {
 public:
  // `on_fault`: this process must end, so that a peer takes over. The references outlive this.
  StorageFailures(const StorageWatch& watch, const ServedEpoch& epoch, const PeerTable& peers,
                  std::function<void(const absl::Status& why)> on_fault)
      : watch_(watch), epoch_(epoch), peers_(peers), on_fault_(std::move(on_fault)) {}

  // As slow as storage. True: the request is to wait for another owner, or for this storage. That
  // is so while this node's storage takes no writes at all: it loses the pool then, to a peer as
  // soon as one can claim it. Where it is only this request that fails, a peer that is fit takes
  // over. False: nobody else would fare better as far as is known: there is no such peer, or this
  // epoch has just begun after a failure, so that the owner before may have met the same error.
  // REQUIRES: this node owns the pool.
  bool Report(const absl::Status& status);

 private:
  const StorageWatch& watch_;
  const ServedEpoch& epoch_;
  const PeerTable& peers_;
  const std::function<void(const absl::Status& why)> on_fault_;
};

}  // namespace baton::ha
