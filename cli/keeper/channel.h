// A local socket that carries messages with descriptors.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <initializer_list>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cli/keeper/keeper.pb.h"
#include "engine/base/unique_fd.h"

namespace baton::keeper {

struct Received {
  Packet message;
  std::vector<UniqueFd> descriptors;  // closed on exec
};

// One end of a SOCK_SEQPACKET connection. Nothing here waits. Send may be called from any thread,
// Receive from one at a time.
class Channel {
 public:
  explicit Channel(UniqueFd socket) : socket_(std::move(socket)) {}

  // Two ends that are closed on exec.
  static absl::StatusOr<std::pair<UniqueFd, UniqueFd>> Pair();

  // Unavailable: the other end is gone, or has not read for long.
  absl::Status Send(const Packet& message, std::initializer_list<int> descriptors = {}) const;
  // nullopt: nothing is there. Unavailable: the other end is gone. DataLoss: it sent no Packet.
  absl::StatusOr<std::optional<Received>> Receive() const;

  int fd() const { return socket_.get(); }

 private:
  UniqueFd socket_;
};

}  // namespace baton::keeper
