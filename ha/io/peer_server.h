// The listening end of requests and answers between controllers.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <functional>
#include <memory>
#include <set>
#include <string>

#include "engine/base/runtime.h"
#include "ha/io/peer_refusals.h"
#include "ha/io/peer_socket.h"
#include "ha/io/wire.h"

namespace baton::ha {

// What a server does with requests.
class PeerService {
 public:
  struct Reply {
    absl::StatusCode code = absl::StatusCode::kOk;
    ZmqMessage body;  // what was asked for, or a text that says why not
  };
  virtual ~PeerService() = default;
  // The header and the length of the second frame make a request that Serve can take. Quick.
  virtual bool IsValid(const WireHeader& request, size_t body_bytes) const = 0;
  // It is answered without any wait: it need not wait for a worker.
  virtual bool IsQuick(const WireHeader& request) const = 0;
  // On any worker, several at once, or on the server's own thread.
  virtual Reply Serve(const std::string& peer, const WireHeader& request, Bytes body) = 0;
};

// Answers the requests of peers that have said a hello that fits (see PeerSessions). One thread
// owns the socket and reads all that comes, so that probes are answered however busy the workers
// are; what a peer can have waiting here is bounded, and a peer that exceeds it, or talks
// nonsense, loses its session.
class PeerServer {
 public:
  struct Options {
    std::string address;  // tcp://ADDR:PORT
    std::string thread_name;
    int workers = 1;
    // The ports that the welcome tells.
    uint16_t heartbeat_port = 0;
    uint16_t stream_port = 0;
    // Whose names are believed where there are no keys.
    std::set<std::string> plaintext_names;
  };

  // All references outlive it. FailedPrecondition: the address cannot be had.
  static absl::StatusOr<std::unique_ptr<PeerServer>> Start(Runtime& runtime, PeerContext& context,
                                                           const PeerIdentity& identity,
                                                           PeerRefusals& refusals,
                                                           PeerService& service, Options options);
  // Requests that workers have are finished, queued ones are not.
  virtual ~PeerServer() = default;

  // With the real port.
  virtual const std::string& endpoint() const = 0;
};

}  // namespace baton::ha
