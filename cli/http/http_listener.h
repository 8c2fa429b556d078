// The listening TCP socket of the HTTP server.
#pragma once

#include <absl/status/statusor.h>

#include "engine/base/unique_fd.h"
#include "ha/io/peer_address.h"

namespace baton::http {

// Connections queue from here on. REQUIRES: the host is a number. FailedPrecondition: somebody
// else listens there; other codes are the system's refusals. The message names the address.
absl::StatusOr<UniqueFd> ListenAt(const ha::PeerAddress& address);

// "127.0.0.1:9420"
std::string Name(const ha::PeerAddress& address);

}  // namespace baton::http
