// Asks the owner of the pool, whoever that is.
#pragma once

#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include <string>

#include "engine/base/runtime.h"
#include "engine/base/stop_signal.h"
#include "ha/io/peer_network.h"
#include "ha/node/epoch_services.h"
#include "ha/node/ownership_board.h"

namespace baton::ha {

// Thread-safe.
class OwnerClient {
 public:
  // `node`: this one, which answers by `commands` where it is the owner. The references outlive
  // this.
  OwnerClient(Runtime& runtime, std::string node, CommandTarget& commands, PeerNetwork& network,
              OwnershipBoard& board)
      : runtime_(runtime),
        node_(std::move(node)),
        commands_(commands),
        network_(network),
        board_(board),
        stop_(runtime) {}

  // Waits a while for an owner where there is none; ends before `timeout`, after which nobody waits
  // for the answer. Unavailable: nobody owns the pool, or the owner did not answer.
  absl::StatusOr<std::string> Ask(const std::string& request, absl::Duration timeout);
  // Whoever waits between two attempts does not wait any more.
  void Stop() { stop_.Stop(); }

 private:
  absl::StatusOr<std::string> AskNode(const std::string& owner, const std::string& request,
                                      absl::Duration end);

  Runtime& runtime_;
  const std::string node_;
  CommandTarget& commands_;
  PeerNetwork& network_;
  OwnershipBoard& board_;
  StopSignal stop_;
};

}  // namespace baton::ha
