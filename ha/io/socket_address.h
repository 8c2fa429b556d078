// An address as the system takes it.
#pragma once

#include <absl/status/statusor.h>
#include <sys/socket.h>

#include "ha/io/peer_address.h"

namespace baton::ha {

struct SocketAddress {
  sockaddr_storage storage = {};
  socklen_t size = 0;
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

// InvalidArgument: the host is no number.
absl::StatusOr<SocketAddress> SocketAddressOf(const PeerAddress& address);

}  // namespace baton::ha
