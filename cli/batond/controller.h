// The composition root: everything that makes a controller, in the order in which it comes and
// goes.
#pragma once

#include <absl/base/thread_annotations.h>
#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/synchronization/mutex.h>

#include <atomic>
#include <memory>
#include <string>

#include "cli/batond/ha_setup.h"
#include "cli/batond/shutdown_monitor.h"
#include "cli/config/daemon_options.h"
#include "cli/keeper/keeper_client.h"
#include "cli/service/control_service.h"
#include "cli/service/node_service.h"
#include "cli/service/space_watch.h"
#include "engine/base/posix_storage.h"
#include "engine/base/system_runtime.h"
#include "engine/lease/node_lock.h"
#include "engine/meta/node_identity.h"
#include "fs/mount.h"
#include "fs/session.h"
#include "ha/io/request_server.h"
#include "ha/io/unix_listener.h"
#include "ha/node/ha_node.h"
#include "ha/node/owned_epoch.h"
#include "ha/volumes/drainable.h"
#include "ha/volumes/router.h"
#include "ha/volumes/volume_adapter.h"

namespace baton {

// The main thread's; what ends it is told to `end` by whoever finds it.
class Controller {
 public:
  // Returns when the mount serves. A refusal names its reason; what can be found out without
  // claiming an epoch is found out before, and a claimed one is given back. `keeper_client` and
  // `end` outlive it. Unavailable: it was to take over from another process, and that is called
  // off.
  ~Controller();
  static absl::StatusOr<std::unique_ptr<Controller>> Start(const DaemonOptions& options,
                                                           keeper::KeeperClient& keeper_client,
                                                           ShutdownMonitor& end);
  // The orderly end: finishes commands and I/O, unmounts, seals, releases the lease. After an
  // error the lease is left to run out.
  absl::Status Stop();
  // As Stop, but the mount stays and its requests wait for a successor.
  absl::Status Drain();
  // After a fault in a controller without a keeper: takes the mount's and the socket's names away
  // and waits for nobody; I/O that is under way is never acknowledged. The process must end now.
  void Abandon();
  // What waits in the mount ends with an error, at once, and so does what is asked of it after
  // that. Waits for nobody.
  void EndMount();
  // Records in the events how the controller before this one ended and that this one serves.
  void RecordTakeover();
  // Records how long requests waited for their first answer.
  void RecordFirstAnswer();

 private:
  Controller(const DaemonOptions& options, keeper::KeeperClient& keeper_client,
             ShutdownMonitor& end)
      : options_(options),
        keeper_(keeper_client),
        end_(end),
        router_(runtime_, options.pair.io_timeout, DoubtOf(options)) {}

  absl::Status OpenPool();
  absl::Status PrepareSession();
  absl::Status AwaitTurn();
  // Of one that is alone: it owns the pool or does not start.
  absl::Status ServeAlone();
  absl::Status ClaimEpoch();
  // Of one that has peers: it serves at once, and owns the pool when it is its turn.
  absl::Status ServeInPair();
  absl::Status StartCommands();

  // An epoch of ours begins and ends.
  void Begin(ha::OwnedEpoch& owned);
  void End();
  absl::Status Readmit(const std::string& node, uint64_t eviction);
  absl::Status RecordEvent(const std::string& kind, const std::string& text);
  void NoteCommand(const std::string& line, bool in_events);
  void DropPages(uint64_t volume_id);
  void ContentChanged(uint64_t volume_id);
  void RetryLocks(uint64_t volume_id);
  control::CloneService::Peers Peers();
  control::ControllerStatus Describe() const;
  void DescribeOwner(control::ControllerStatus& status) const;
  void DescribeSpace(control::ControllerStatus& status) const;

  void StopCommands();
  std::shared_ptr<fs::Session> session() const;
  void EndSession();
  void Unmount();
  absl::Status Seal();
  void GiveUpStart();
  uint64_t WaitedMs(int64_t until_boot_ns) const;
  absl::StatusOr<control::UpgradeStarted> Upgrade();

  const DaemonOptions options_;
  keeper::KeeperClient& keeper_;
  ShutdownMonitor& end_;
  SystemRuntime runtime_;
  const absl::Duration started_ = runtime_.BootTime();
  std::atomic<uint64_t> garbled_messages_{0};
  keeper::Predecessor before_;  // of this mount
  uint64_t restarts_ = 0;
  int64_t serving_boot_ns_ = 0;
  std::atomic<int64_t> first_answer_boot_ns_ = 0;  // 0: none yet

  control::Audit audit_{
      runtime_, [this](const std::string& line, bool in_events) { NoteCommand(line, in_events); }};
  SpaceWatch space_{runtime_, options_.space};

  // In the order in which they are made: the last one goes first.
  std::unique_ptr<PosixStorage> storage_;
  PoolRecord pool_;
  NodeIdentity identity_;
  std::unique_ptr<ha::UnixListener> listener_;
  std::unique_ptr<fs::Mount> mount_;
  std::unique_ptr<NodeLock> node_lock_;  // of one that is alone; else the pair's
  ha::Drainable<ha::OwnedPool> drainable_;
  ha::Drainable<control::ControlService> drainable_service_;
  ha::VolumeAdapter volumes_{drainable_,
                             [this](const absl::Status& status) {
                               ha::HaNode* const pair = ha_node_.get();
                               return pair != nullptr && pair->StorageFailed(status);
                             },
                             options_.node};
  ha::Router router_;
  std::unique_ptr<ha::OwnedEpoch> owned_epoch_;  // of one that is alone; else the pair's
  std::unique_ptr<ha::OwnedPool> owned_;
  std::unique_ptr<control::ControlService> service_;  // while this controller owns the pool
  std::unique_ptr<ha::HaNode> ha_node_;
  mutable absl::Mutex session_mutex_;
  // Set by the main thread; others take a reference.
  std::shared_ptr<fs::Session> session_ ABSL_GUARDED_BY(session_mutex_);
  std::unique_ptr<control::NodeService> node_service_;
  std::unique_ptr<SpaceMeter> space_meter_;  // of one that is alone; else the pair measures
  std::unique_ptr<ha::RequestServer> server_;
};

}  // namespace baton
