// Requests of `baton` to this controller: carried out here where it owns the pool, passed on to
// the owner where it does not.
#pragma once

#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include <functional>
#include <optional>
#include <string>

#include "cli/control.pb.h"
#include "cli/control_service.h"
#include "cli/node/pair.h"
#include "cli/node/seat.h"

namespace baton::control {

// Thread-safe.
class NodeService {
 public:
  struct Options {
    Seat<ControlService>& owner;  // somebody is there while this controller owns the pool
    std::function<Pair*()> pair;  // null: this controller is alone
    std::string node;
    std::string mount;
    std::function<ControllerStatus()> describe;
    std::function<absl::StatusOr<UpgradeStarted>()> upgrade;
  };

  explicit NodeService(Options options) : options_(std::move(options)) {}

  // The encoded response; nullopt when `request` is garbled: then nothing was done.
  std::optional<std::string> Handle(const std::string& request);
  // One that a peer has passed on. Aborted: this controller owns nothing, nothing was done.
  absl::StatusOr<std::string> HandleAsOwner(const std::string& request);

 private:
  absl::Status Execute(const Request& request, const std::string& bytes, Response& response);
  absl::Status AskOwner(const Request& request, const std::string& bytes, Response& response);
  absl::Status AnswerFromView(const Request& request, Response& response) const;
  absl::StatusOr<FailoverDone> Failover(const FailoverRequest& request, const std::string& bytes,
                                        bool is_ours);
  ControllerStatus StandbyStatus() const;
  void UseOwnPaths(Response& response) const;

  const Options options_;
};

}  // namespace baton::control
