// This controller among the others of its pool: who owns the pool, and what follows from that.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/synchronization/notification.h>
#include <absl/time/time.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/base/model.pb.h"
#include "engine/base/runtime.h"
#include "engine/lease/lease_times.h"
#include "engine/lease/pause_meter.h"
#include "engine/lease/reserve.h"
#include "engine/meta/node_identity.h"
#include "engine/standby_view.h"
#include "ha/core/options.h"
#include "ha/io/peer_network.h"
#include "ha/node/epoch_services.h"
#include "ha/node/ha_status.h"
#include "ha/node/watchdog.h"
#include "ha/volumes/drainable.h"
#include "ha/volumes/router.h"
#include "ha/volumes/served_volumes.h"

namespace baton::ha {

class PeerInbox;

// Makes the objects of this folder and connects them; each says what it is for. One thread decides;
// what may take long is done by others:
//
//   storage-watch  StorageWatch      looks at the lease; storage may hang, this thread alone waits
//   coordinator    CoordinatorLoop   takes events to the coordinator, beats, routes the mount
//   epoch          EpochRunner       claims, recovers, seals
//   peer-orders    PeerHandovers     asks an owner to stop, offers a handover
//   fence          Fencing           runs the fence command
//   fence-monitor  FenceMonitor      asks it now and then whether it could
//   storage-calls  StorageJobs       what of a peer's call or a command waits for storage
//   standby-view   ViewFollower      follows the owner's metadata
//   tell-opens     OpensReporter     tells an owner what is open in the mount, peers of free locks
//
// Every mutex of this folder is a last one: its object calls no other that locks while it holds it.
// That of NodeEvictions may be held over I/O; it stands above those of the engine.
//
// Thread-safe from Start() on; Start() and the end are one thread's.
class HaNode {
 public:
  struct Options {
    Runtime& runtime;
    Router& router;
    VolumeServer& local;  // the mount's volumes while this controller owns the pool
    LockServer& locks;    // and who holds locks on them
    EpochServices& services;
    MountEvents& mount;
    std::string pool;  // the directory
    std::string pool_id;
    Durability durability = DURABILITY_NODE;
    NodeIdentity identity;
    LeaseTimes lease_times;
    PauseMeter* pauses = nullptr;  // Lease::Options
    CoordinatorOptions coordinator;
    PeerNetwork::Options network;
    absl::Duration heartbeat;  // the period
    Watchdog::Options watchdog = {};
    // Turns a node off; OK: it is confirmed to be off.
    std::function<absl::Status(const std::string& node)> fence;
    // Asks the same program whether it could, and how often that is done for each peer that is
    // heard; InfiniteDuration: never.
    std::function<absl::Status(const std::string& node)> monitor_fence = {};
    absl::Duration monitor_fence_every = absl::InfiniteDuration();
    // How much space the storage has, every second.
    std::function<void(const SpaceReading& space)> on_space;
    // This process must end without waiting for anything; where this node was evicted (EvictionOf)
    // its mount, too. Takes note and returns.
    std::function<void(const absl::Status& why)> on_fault;
  };

  // InvalidArgument: the coordinator's times contradict each other.
  static absl::StatusOr<std::unique_ptr<HaNode>> Make(Options options);
  // Returns when the network listens; everything else follows. `commands`: of peers, and outlives
  // this. Errors: PeerNetwork::Start. Once; what stands below is for afterwards, but for Stop().
  absl::Status Start(CommandTarget& commands);
  ~HaNode();
  HaNode(const HaNode&) = delete;
  HaNode& operator=(const HaNode&) = delete;

  // The orderly end: an owner seals and gives the epoch back. What waits for an owner goes on
  // waiting. Aborted: sealing failed, or took too long.
  absl::Status Stop();
  // Whatever still waits for an owner or a peer goes on now, with an error. After Stop().
  void StopWaiting();

  HaStatus Describe() const;

  // ---- for those who need not know the parts ----
  void Note(const std::string& kind, const std::string& text);  // EpochRunner
  absl::StatusOr<std::string> AskOwner(const std::string& request,
                                       absl::Duration timeout);  // OwnerClient
  absl::Status OnStorage(std::function<absl::Status()> work);    // StorageJobs
  bool unserved() const;                                         // UnservedNames
  std::shared_ptr<StandbyView> view() const;                     // ViewFollower
  absl::StatusOr<HaStatus> HandOver(const std::string& to,
                                    absl::Duration timeout);  // OperatorOrders
  absl::StatusOr<HaStatus> TakeOver(uint64_t epoch, bool owner_is_dead,
                                    absl::Duration timeout);  // OperatorOrders
  bool StorageFailed(const absl::Status& status);             // StorageFailures

 private:
  struct Parts;

  explicit HaNode(Options options);
  std::vector<TakeoverForecast> ForecastLosses(const HaStatus& status) const;
  absl::Status StartNetwork();

  const Options options_;
  // The network delivers to these two.
  ServedVolumes served_;
  Drainable<PeerInbox> inbox_;  // there while the parts are
  absl::Notification inbox_was_set_;
  std::unique_ptr<PeerNetwork> network_;
  std::unique_ptr<Parts> parts_;  // null before Start()
};

}  // namespace baton::ha
