// Tells all peers of this node, again and again.
#pragma once

#include <absl/status/status.h>
#include <absl/time/time.h>

#include <cstdint>

#include "engine/base/runtime.h"
#include "engine/lease/lease_times.h"
#include "ha/core/coordinator.h"
#include "ha/io/peer_network.h"
#include "ha/node/epoch_work.h"
#include "ha/volumes/served_volumes.h"

namespace baton::ha {

// Of the thread that is to be heard: when that hangs, the node is silent.
class HeartbeatSender {
 public:
  struct Options {
    absl::Duration period;
    OwnerTimes times;  // of this node
  };

  // The references outlive this.
  HeartbeatSender(Runtime& runtime, Options options, PeerNetwork& network,
                  const ServedVolumes& served)
      : runtime_(runtime), options_(options), network_(network), served_(served) {}

  // Sends one if it is time. `storage`: what the coordinator was told of it.
  void Beat(const Coordinator& coordinator, const LentEpoch& served, const absl::Status& storage);
  // The owner of `epoch` here was reaped: with the next Beat, and until another epoch is served.
  void TellCertificate(uint64_t epoch);
  void ForgetCertificate() { certificate_ = 0; }

 private:
  Runtime& runtime_;
  const Options options_;
  PeerNetwork& network_;
  const ServedVolumes& served_;
  absl::Duration next_;
  uint64_t certificate_ = 0;  // an epoch; 0: none
};

}  // namespace baton::ha
