// A call of peer_api.proto, and its answer.
#pragma once

#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include <string>

#include "engine/base/status.h"
#include "ha/io/peer_api.pb.h"
#include "ha/io/peer_api_codec.h"
#include "ha/io/peer_network.h"

namespace baton::ha {

// Errors: PeerNetwork::Call, and what the peer refuses.
inline absl::StatusOr<peer_api::Answer> CallPeer(PeerNetwork& network, const std::string& peer,
                                                 const peer_api::Call& call,
                                                 absl::Duration timeout) {
  BATON_ASSIGN_OR_RETURN(const std::string bytes,
                         network.Call(peer, call.SerializeAsString(), timeout));
  return ParseAnswer(bytes);
}

}  // namespace baton::ha
