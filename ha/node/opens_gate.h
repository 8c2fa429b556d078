// Whether the owner knows what is open in the mount of every node.
#pragma once

#include <absl/status/status.h>

#include <string>
#include <utility>

#include "engine/base/runtime.h"
#include "ha/node/peer_table.h"
#include "ha/node/pool_nodes.h"
#include "ha/node/served_epoch.h"
#include "ha/volumes/router.h"
#include "ha/volumes/served_volumes.h"

namespace baton::ha {

// Thread-safe.
class OpensGate {
 public:
  // All of them outlive this.
  struct Sources {
    const Router& router;
    const VolumeServer& local;  // who serves this node's mount while it is the owner
    ServedVolumes& served;
    const PeerTable& peers;
    ServedEpoch& epoch;
  };

  OpensGate(Runtime& runtime, PoolNodes nodes, Sources sources)
      : runtime_(runtime), nodes_(std::move(nodes)), sources_(sources) {}

  // See OwnerPeers::AwaitOpens.
  absl::Status Await(bool degraded);

 private:
  // One that has not told; empty: all have.
  std::string Missing(bool degraded) const;
  bool IsSilent(const std::string& peer) const;
  bool IsOff(const std::string& peer) const;
  void ForgetSilent();

  Runtime& runtime_;
  const PoolNodes nodes_;
  const Sources sources_;
};

}  // namespace baton::ha
