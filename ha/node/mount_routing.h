// Where the requests of this node's mount go: here, to the peer that owns the pool, or nowhere yet.
#pragma once

#include <cstdint>
#include <string>

#include "ha/node/epoch_work.h"
#include "ha/node/opens_reporter.h"
#include "ha/node/peer_table.h"
#include "ha/volumes/router.h"
#include "ha/volumes/served_volumes.h"

namespace baton::ha {

// Has the loan of the epoch while this node serves it. One thread.
class MountRouting {
 public:
  // All of them outlive this.
  struct Targets {
    Router& router;
    VolumeServer& local;  // the mount's volumes while this controller owns the pool
    ServedVolumes& served;
    const RemotePeers& peers;
    const PeerTable& table;
  };

  explicit MountRouting(Targets targets) : targets_(targets) {}

  // This mount and the peers' are served by that epoch from now on; its background copies go on.
  // REQUIRES: it is not empty.
  void ServeHere(LentEpoch epoch);
  // Requests wait from here on, and nobody begins anything new with the engine. Empty: nothing was
  // served here.
  LentEpoch EndServing();
  // While nothing is served here: goes to `owner` when that says that it serves `epoch` or a later
  // one, else nowhere. True: it goes elsewhere than before.
  bool Follow(const std::string& owner, uint64_t epoch);

  // The epoch that is served here; empty: there is none.
  const LentEpoch& here() const { return here_; }
  // Somebody serves this mount and is heard.
  bool IsServed() const;

 private:
  // What is open with it counts for nothing from here on, and need not be closed there.
  void LeaveRemote();

  const Targets targets_;
  LentEpoch here_;
  RemoteVolumes* remote_ = nullptr;
  uint64_t remote_epoch_ = 0;
};

}  // namespace baton::ha
