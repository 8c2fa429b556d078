// The server's end of requests and answers: one frame of bytes each, at most
// limits::kMaxMessageBytes. A second transport (between nodes) will be another listener handed to
// the same loop; a subscription will be a class beside this one.
#pragma once

#include <absl/status/statusor.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/base/runtime.h"
#include "ha/io/unix_listener.h"
#include "ha/io/zmq_socket.h"

namespace baton::ha {

// Answers requests on a few worker threads: one that takes long holds up none of the others until
// all workers of its lane are busy, and then requests queue (bounded; what is beyond that see
// Options::busy).
class RequestServer {
 public:
  // As the kernel tells; nullopt: it does not.
  using Sender = std::optional<LocalPeer>;
  // A request that was read, and waits for a worker of its lane.
  struct Task {
    size_t lane = 0;
    // Called once, by any worker of the lane, several tasks at once. nullopt: the request is
    // garbled; it is dropped, and its sender gets no answer. An answer longer than the limit closes
    // the sender's connection.
    std::function<std::optional<std::string>()> answer;
  };
  // Reads a request; quick, by the thread that receives. nullopt: it is garbled, and is dropped.
  using Reader =
      std::function<std::optional<Task>(const std::string& request, const Sender& sender)>;
  // Reads and answers at once, by a worker, where there is one lane.
  using Handler =
      std::function<std::optional<std::string>(const std::string& request, const Sender& sender)>;

  struct Options {
    Runtime& runtime;  // outlives the server
    // Counts the messages that were dropped: with a wrong number of frames, or garbled. A frame
    // that is too long never gets so far: its connection is closed.
    std::atomic<uint64_t>& dropped;  // outlives the server
    // Of each lane, at least one: requests of one lane never wait for those of another.
    std::vector<int> workers = {8};
    size_t queued_requests = 64;  // in a lane: read, and waiting for a worker
    // The answer to a request beyond those. Empty: such a request waits in its sender, and so do
    // those of other lanes.
    std::string busy = {};
  };

  // `listener` outlives the server.
  static absl::StatusOr<std::unique_ptr<RequestServer>> StartLanes(const UnixListener& listener,
                                                                   Options options, Reader reader);
  static absl::StatusOr<std::unique_ptr<RequestServer>> Start(const UnixListener& listener,
                                                              Options options, Handler handler);
  // Requests that workers have are finished and answered; queued ones are not.
  virtual ~RequestServer() = default;
};

}  // namespace baton::ha
