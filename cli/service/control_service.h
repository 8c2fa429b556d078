// Requests of `baton`, carried out by the engine of the controller that owns the pool. Knows
// nothing of sockets.
#pragma once

#include <absl/container/flat_hash_map.h>
#include <absl/status/status.h>

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "cli/control/control.pb.h"
#include "cli/service/audit.h"
#include "cli/service/clone_service.h"
#include "cli/service/drill_service.h"
#include "cli/service/pool_queries.h"
#include "cli/service/verify_jobs.h"
#include "cli/service/volume_service.h"
#include "engine/base/runtime.h"
#include "engine/engine.h"

namespace baton::control {

// Carries out a command and puts its result into the response; a refusal leaves it empty.
using CommandHandler = std::function<absl::Status(const Request&, Response&)>;
using CommandTable = absl::flat_hash_map<Request::CommandCase, CommandHandler>;

// Thread-safe.
class ControlService {
 public:
  struct Options {
    Engine& engine;
    Runtime& runtime;
    std::string mount;  // volumes are shown as files of this directory
    // What only the daemon knows; the clones are added here.
    std::function<ControllerStatus()> describe;
    // Told of a volume whose content a command has changed.
    std::function<void(uint64_t volume_id)> content_changed;
    // The other controllers' part in the commands on clones; empty: there are none.
    CloneService::Peers peers;
    // Ends what waits in the mount of another node (ha::OwnerPeers::EvictNode); empty: there is
    // none.
    std::function<absl::Status(const std::string& node)> evict;
    // DrillService::Options; each may be empty.
    DrillService::Crasher crash = {};
    std::function<absl::Status(absl::Duration time)> isolate = {};
    // Hands over to another process of the program as it is installed now.
    std::function<absl::StatusOr<UpgradeStarted>()> upgrade;
    Audit& audit;
  };

  explicit ControlService(Options options);

  // REQUIRES: `request` is of this version of the protocol. nullopt: it has no command, and nothing
  // was done.
  std::optional<Response> Handle(const Request& request);

 private:
  absl::Status Execute(const Request& request, Response& response);
  void AddStatusAndUpgrade();
  void AddNodeCommands();
  void AddVolumeCommands();
  void AddCloneCommands();
  void AddCloneChanges();
  void AddVerifyCommands();
  void AddDrillCommands();
  ControllerStatus Status() const;
  absl::StatusOr<NodeEvicted> Evict(const NodeName& request) const;

  const Options options_;
  const PoolQueries queries_;
  VolumeService volumes_;
  CloneService clones_;
  VerifyJobs verify_jobs_;
  DrillService drills_;
  CommandTable commands_;
};

}  // namespace baton::control
