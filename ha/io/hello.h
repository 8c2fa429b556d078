// Who may talk to whom.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "ha/io/peer.pb.h"
#include "ha/io/peer_refusals.h"
#include "ha/io/peer_socket.h"

namespace baton::ha {

Hello MakeHello(const PeerIdentity& identity);

// What the other end of a connection, or a heartbeat, says of itself.
struct PeerClaim {
  uint32_t protocol = 0;
  std::string pool_id;
  std::string node;
};

struct Objection {
  PeerRefusals::Kind kind;
  std::string text;  // one line, for both ends
};

// nullopt: `claim` fits us, and its name is `proven`, the one that its key or our own choice of
// whom to connect to gave it.
std::optional<Objection> Examine(const PeerClaim& claim, const std::string& proven,
                                 const PeerIdentity& identity);

}  // namespace baton::ha
