// The daemon's side of the control socket: decodes a request, has it carried out, encodes the
// response. Knows nothing of sockets.
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
#include "cli/service/verify_jobs.h"
#include "cli/service/volume_service.h"
#include "engine/base/runtime.h"
#include "engine/engine.h"

namespace baton::control {

// Carries out a command and puts its result into the response; a refusal leaves it empty.
using CommandHandler = std::function<absl::Status(const Request&, Response&)>;
using CommandTable = absl::flat_hash_map<Request::CommandCase, CommandHandler>;

// The answer that refuses a request.
Response Refusal(const absl::Status& status);
// Of a request of another version of the protocol; nullopt: it is ours.
std::optional<Response> RefusedVersion(const Request& request);
// As many as fit, and what is wrong with them.
void AddClones(std::vector<CloneStatus> clones, ControllerStatus& status);

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
    // Ends what waits in the mount of another node (ha::OwnerPeers::EvictNode); empty: there is none.
    std::function<absl::Status(const std::string& node)> evict;
    // Hands over to another process of the program as it is installed now.
    std::function<absl::StatusOr<UpgradeStarted>()> upgrade;
    Audit& audit;
  };

  explicit ControlService(Options options);

  // The encoded response; nullopt when `request` is garbled: then nothing was done.
  std::optional<std::string> Handle(const std::string& request);

 private:
  Response Execute(const Request& request);
  void AddStatusAndEvents();
  void AddNodeCommands();
  void AddVolumeCommands();
  void AddCloneCommands();
  void AddCloneChanges();
  void AddVerifyCommands();
  ControllerStatus Status() const;
  absl::StatusOr<NodeEvicted> Evict(const NodeName& request) const;
  absl::StatusOr<EventList> Events(const EventsRequest& request) const;

  const Options options_;
  VolumeService volumes_;
  CloneService clones_;
  VerifyJobs verify_jobs_;
  CommandTable commands_;
};

}  // namespace baton::control
