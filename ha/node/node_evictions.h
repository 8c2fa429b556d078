// Nodes whose requests are refused, because an operator wants that nothing of before takes effect.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <string>
#include <utility>
#include <vector>

#include "engine/base/runtime.h"
#include "engine/base/sleep_lock.h"
#include "engine/engine.h"
#include "ha/io/peer_api.pb.h"
#include "ha/io/peer_network.h"
#include "ha/node/epoch_services.h"
#include "ha/node/ha_status.h"
#include "ha/node/peer_table.h"
#include "ha/node/pool_nodes.h"
#include "ha/node/served_epoch.h"
#include "ha/volumes/served_volumes.h"

namespace baton::ha {

// Thread-safe. Its lock is held over I/O and stands above those of the engine.
class NodeEvictions {
 public:
  // All of them outlive this.
  struct Surroundings {
    PeerNetwork& network;
    ServedVolumes& served;
    EpochServices& services;
    const ServedEpoch& epoch;
    const PeerTable& peers;
  };

  NodeEvictions(Runtime& runtime, PoolNodes nodes, Surroundings around)
      : runtime_(runtime), nodes_(std::move(nodes)), around_(around), changes_(runtime) {}

  // See OwnerPeers::EvictNode.
  absl::Status Evict(Engine& engine, const std::string& node);
  // A peer tells its open set, and may end its eviction by that. `call`: has an open set.
  absl::StatusOr<peer_api::Answer> AnswerOpenSet(const std::string& peer,
                                                 const peer_api::Call& call);
  // The evicted nodes, as the owner says as long as it is one.
  std::vector<std::string> Known(const Ownership& ownership) const;

 private:
  absl::Status CheckEvictable(const std::string& node) const;
  absl::Status AwaitEndOfForwarded(const std::string& node);
  absl::Status Readmit(const std::string& peer, uint64_t eviction);

  Runtime& runtime_;
  const PoolNodes nodes_;
  const Surroundings around_;
  SleepLock changes_;  // one is begun or ended: its record, and then `served`
};

}  // namespace baton::ha
