// Requests of `baton` to this controller: carried out here where it owns the pool, passed on to
// the owner where it does not.
#pragma once

#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include <atomic>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "cli/control/control.pb.h"
#include "cli/service/audit.h"
#include "cli/service/control_service.h"
#include "ha/io/request_server.h"
#include "ha/node/epoch_services.h"
#include "ha/node/ha_node.h"
#include "ha/volumes/drainable.h"

namespace baton::control {

// Thread-safe.
class NodeService final : public ha::CommandTarget {
 public:
  struct Options {
    ha::Drainable<ControlService>& owner;  // somebody is there while this controller owns the pool
    ha::HaNode* pair = nullptr;            // null: this controller is alone
    std::string node;
    std::string mount;
    std::function<ControllerStatus()> describe;
    std::function<absl::StatusOr<UpgradeStarted>()> upgrade;
    Audit& audit;
  };

  explicit NodeService(Options options) : options_(std::move(options)) {}

  // The encoded response; nullopt when `request` is garbled: then nothing was done.
  std::optional<std::string> Handle(const std::string& request,
                                    const ha::RequestServer::Sender& sender);
  // What a status, a failover or a look at the events needs is not held up by commands that wait:
  // each kind has workers of its own. See ha::RequestServer::Options.
  static std::vector<int> Workers();
  static size_t LaneOf(const std::string& request);
  static std::string Busy();

  // Aborted, too: this controller is busy with so many commands of its peers that no other call of
  // theirs would be answered.
  absl::StatusOr<std::string> HandleAsOwner(const std::string& peer,
                                            const std::string& request) override;

 private:
  absl::Status Execute(const Request& request, const std::string& bytes, Response& response);
  absl::Status AskOwner(const Request& request, const std::string& bytes, Response& response);
  // What this node knows while nobody owns the pool.
  absl::Status AskView(ha::HaNode& pair, const Request& request, Response& response) const;
  absl::Status AnswerVolumes(const std::shared_ptr<StandbyView>& view, const Request& request,
                             Response& response) const;
  static absl::Status AnswerFromView(const std::shared_ptr<StandbyView>& view,
                                     const Request& request, Response& response);
  VolumeList ListFromView(const StandbyView& view, const std::string& after) const;
  absl::StatusOr<FailoverDone> Failover(const FailoverRequest& request, const std::string& bytes,
                                        bool is_ours);
  ControllerStatus StandbyStatus() const;
  void UseOwnPaths(Response& response) const;

  const Options options_;
  std::atomic<int> passed_on_ = 0;  // commands of peers that are being carried out
};

}  // namespace baton::control
