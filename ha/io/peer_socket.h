// Sockets between controllers, with keys and limits set: nothing else makes any.
#pragma once

#include <absl/status/statusor.h>

#include <memory>
#include <string>

#include "engine/base/runtime.h"
#include "ha/io/key_authenticator.h"
#include "ha/io/peer_keys.h"
#include "ha/io/peer_network.h"
#include "ha/io/zmq_socket.h"

namespace baton::ha {

// Who we are, for everything that talks. Immutable.
struct PeerIdentity {
  std::string node;
  std::string pool_id;
  uint64_t instance = 0;
  uint32_t protocol = 0;
  PeerSecurity security;
};

// A ZeroMQ context whose sockets trust the same keys. Thread-safe; outlives its sockets.
class PeerContext {
 public:
  static absl::StatusOr<std::unique_ptr<PeerContext>> Make(Runtime& runtime,
                                                           const PeerIdentity& identity,
                                                           const PeerKeys& peer_keys,
                                                           PeerRefusals& refusals);

  // A socket that listens, after Bind: with keys it lets in none but allowed ones.
  absl::StatusOr<std::unique_ptr<ZmqSocket>> OpenServer(ZmqSocket::Type type);
  // A socket that talks to `peer` alone, after Dial: with keys to nobody who has not its current
  // key.
  absl::StatusOr<std::unique_ptr<ZmqSocket>> OpenClient(ZmqSocket::Type type,
                                                        const std::string& peer);

 private:
  PeerContext(const PeerIdentity& identity, const PeerKeys& peer_keys,
              std::unique_ptr<ZmqContext> context)
      : identity_(identity), peer_keys_(peer_keys), context_(std::move(context)) {}
  absl::StatusOr<std::unique_ptr<ZmqSocket>> Open(ZmqSocket::Type type);

  const PeerIdentity& identity_;
  const PeerKeys& peer_keys_;
  const std::unique_ptr<ZmqContext> context_;
  std::unique_ptr<KeyAuthenticator> authenticator_;  // null without keys
};

}  // namespace baton::ha
