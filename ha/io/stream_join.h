// How a standby's stream becomes one of a session.
#pragma once

#include <absl/status/status.h>

#include <cstddef>

#include "engine/base/runtime.h"
#include "ha/io/peer_address.h"
#include "ha/io/stream.h"
#include "ha/io/tls.h"

namespace baton::ha {

struct StreamJoin {
  PeerAddress address;  // with a number for its host
  SessionKey key;
  size_t place = 0;           // below kStreamsPerPeer
  TlsContext* tls = nullptr;  // null: plaintext
};

// Connects, encrypts and joins. The welcome comes when nothing runs any more of the streams that
// had the place before, and nothing of them will. Unavailable: no connection, or not all of that
// within kHandshakeTimeout. The stream does not block before; Shutdown ends the wait.
absl::Status JoinSession(Runtime& runtime, Stream& stream, const StreamJoin& join);

}  // namespace baton::ha
