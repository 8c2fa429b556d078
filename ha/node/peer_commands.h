// The owner's commands, as far as other controllers take part in them.
#pragma once

#include <absl/time/time.h>

#include <string>
#include <utility>
#include <vector>

#include "ha/io/peer_network.h"
#include "ha/node/epoch_services.h"
#include "ha/node/node_evictions.h"
#include "ha/node/opens_gate.h"

namespace baton::ha {

// Thread-safe.
class PeerCommands final : public OwnerPeers {
 public:
  // `peers`: the other nodes. The references outlive this.
  PeerCommands(std::vector<std::string> peers, PeerNetwork& network, OpensGate& opens,
               NodeEvictions& evictions)
      : peers_(std::move(peers)), network_(network), opens_(opens), evictions_(evictions) {}

  absl::Status Prepare(const std::string& source, const std::string& target, uint64_t size_bytes,
                       bool degraded) override;
  absl::Status AwaitOpens(bool degraded) override { return opens_.Await(degraded); }
  void TellActivated(const std::vector<uint64_t>& clones) override;
  void TellContentChanged(uint64_t volume_id) override;
  absl::Status EvictNode(Engine& engine, const std::string& node) override {
    return evictions_.Evict(engine, node);
  }
  void Isolate(absl::Duration time) override { network_.Isolate(time); }

 private:
  const std::vector<std::string> peers_;
  PeerNetwork& network_;
  OpensGate& opens_;
  NodeEvictions& evictions_;
};

}  // namespace baton::ha
