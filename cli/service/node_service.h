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
#include "cli/service/pool_queries.h"
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
    // Of this node's mount, at most `most`. Never waits.
    std::function<SlowRequests(size_t most)> slow;
    Audit& audit;
  };

  explicit NodeService(Options options) : options_(std::move(options)), queries_(options_.mount) {}

  // Reads a request of a `baton` of this node; what is left to do answers with the encoded
  // response. nullopt, here or there: it is garbled, and nothing was done.
  std::optional<ha::RequestServer::Task> Read(const std::string& bytes,
                                              const ha::RequestServer::Sender& sender);
  // What a status, a failover or a look at the events needs is not held up by commands that wait:
  // each kind has workers of its own. See ha::RequestServer::Options.
  static std::vector<int> Workers();
  static std::string Busy();

  // Aborted, too: this controller is busy with so many commands of its peers that no other call of
  // theirs would be answered.
  absl::StatusOr<std::string> HandleAsOwner(const std::string& peer,
                                            const std::string& request) override;

  // A question of this process itself; waits as `baton` would. Its refusal is the error.
  absl::StatusOr<Response> Ask(Request request);

 private:
  std::optional<std::string> Handle(const Request& request);
  std::string TraceSlow(const control::TraceSlow& request) const;
  // Encoded responses.
  absl::StatusOr<std::string> Execute(const Request& request);
  absl::StatusOr<std::string> AskOwner(const Request& request);
  // What this node knows while nobody owns the pool. `never_waits`: only what takes no look at
  // storage.
  absl::StatusOr<std::string> AskView(ha::HaNode& pair, const Request& request,
                                      bool never_waits) const;
  absl::StatusOr<FailoverDone> Failover(const Request& request, bool is_ours);
  ControllerStatus StandbyStatus() const;

  const Options options_;
  const PoolQueries queries_;
  std::atomic<int> passed_on_ = 0;  // commands of peers that are being carried out
};

}  // namespace baton::control
