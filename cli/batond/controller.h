// The composition root: everything that makes a controller, in the order in which it comes and
// goes.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <atomic>
#include <memory>
#include <optional>
#include <string>

#include "cli/batond/crash_order.h"
#include "cli/batond/ha_setup.h"
#include "cli/batond/mount_session.h"
#include "cli/batond/owner_services.h"
#include "cli/batond/pool_role.h"
#include "cli/batond/shutdown_monitor.h"
#include "cli/batond/status_reporter.h"
#include "cli/batond/succession.h"
#include "cli/config/daemon_options.h"
#include "cli/http/http_service.h"
#include "cli/keeper/keeper_client.h"
#include "cli/service/node_service.h"
#include "cli/service/space_watch.h"
#include "engine/base/posix_storage.h"
#include "engine/base/system_runtime.h"
#include "engine/base/unique_fd.h"
#include "engine/lease/node_lock.h"
#include "engine/lease/pause_clock.h"
#include "engine/lease/pause_meter.h"
#include "engine/meta/node_identity.h"
#include "fs/mount.h"
#include "ha/io/request_server.h"
#include "ha/io/unix_listener.h"
#include "ha/node/ha_node.h"
#include "ha/node/owned_epoch.h"
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
  void RecordTakeover() { succession_.Record(role_slot_); }
  // Records how long requests waited for their first answer.
  void RecordFirstAnswer() { succession_.RecordFirstAnswer(role_slot_); }

 private:
  Controller(const DaemonOptions& options, keeper::KeeperClient& keeper_client,
             ShutdownMonitor& end)
      : options_(options),
        keeper_(keeper_client),
        end_(end),
        router_(runtime_, options.pair.io_timeout, DoubtOf(options)) {}

  absl::Status OpenPool();
  absl::Status PrepareSession();
  void MakeServices();
  absl::Status AwaitTurn();
  // Of one that is alone: it owns the pool or does not start.
  absl::Status ServeAlone();
  absl::Status ClaimEpoch();
  // Of one that has peers: it serves at once, and owns the pool when it is its turn.
  absl::Status ServeInPair();
  absl::Status MakeHaNode();
  // `node`: null where this controller is alone.
  void MakeCommands(ha::HaNode* node);
  absl::Status StartCommands();
  // What programs ask by HTTP, where a setting says so.
  absl::Status ListenForHttp();
  absl::Status StartHttp();
  // The mount was never served before.
  bool IsFirstStart() const { return keeper_.begin().facts().init_answer().empty(); }
  control::SlowRequests TraceSlow(size_t most) const;
  // nullopt: this controller owns nothing. Never waits.
  std::optional<FirstWrites> CountFirstWrites() const;
  // nullopt: they are not known. Never waits.
  std::optional<http::VolumeNames> ListVolumeNames() const;

  void StopCommands();
  void Unmount();
  absl::Status Seal();
  void GiveUpStart();

  const DaemonOptions options_;
  keeper::KeeperClient& keeper_;
  ShutdownMonitor& end_;
  SystemRuntime runtime_;
  PauseMeter pauses_{runtime_, MakePauseClock()};
  std::atomic<uint64_t> garbled_messages_{0};
  http::ProblemLine http_problem_;
  RoleSlot role_slot_;
  Succession succession_;
  control::Audit audit_{runtime_, [&role = role_slot_](const std::string& line, bool in_events) {
                          role.NoteCommand(line, in_events);
                        }};
  SpaceWatch space_{runtime_, options_.space};
  CrashOrder crash_{runtime_, keeper_};

  // In the order in which they are made: the last one goes first. (The session itself goes before
  // all of them.)
  std::unique_ptr<PosixStorage> storage_;
  PoolRecord pool_;
  NodeIdentity identity_;
  std::unique_ptr<ha::UnixListener> listener_;
  std::unique_ptr<fs::Mount> mount_;
  MountSession session_;
  std::unique_ptr<StatusReporter> reporter_;
  std::unique_ptr<OwnerServices> services_;
  std::unique_ptr<ha::VolumeAdapter> volumes_;
  ha::Router router_;
  // Of one that is alone.
  std::unique_ptr<NodeLock> node_lock_;
  std::unique_ptr<ha::OwnedEpoch> owned_epoch_;
  std::unique_ptr<SpaceMeter> space_meter_;

  std::unique_ptr<PoolRole> role_;
  std::unique_ptr<control::NodeService> node_service_;
  std::unique_ptr<ha::HaNode> ha_node_;  // of one that has peers
  std::unique_ptr<ha::RequestServer> server_;
  UniqueFd http_listener_;
  std::unique_ptr<http::HttpService> http_;
};

}  // namespace baton
