// TCP sockets of forwarded host I/O.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include <cstdint>

#include "engine/base/unique_fd.h"
#include "ha/io/peer_address.h"

namespace baton::ha {

// Listens; accepting does not block. FailedPrecondition: the address or port cannot be had.
absl::StatusOr<UniqueFd> ListenTcp(const PeerAddress& address);
// Whether ListenTcp could have it now. Binds, but does not listen, so that it is in nobody's way.
// Errors: as ListenTcp.
absl::Status TryTcp(const PeerAddress& address);
// The port that a socket has.
uint16_t PortOfTcp(int fd);
// One connection that has come, which does not block; not valid: none is waiting, or none can be
// had (errno).
UniqueFd AcceptTcp(int listener);

// A socket for a connection to `address`, which has a number for its host. It does not block.
// Closing it, also by the end of the process, resets the connection: what is queued by then is
// never sent.
absl::StatusOr<UniqueFd> OpenTcp(const PeerAddress& address);
// Unavailable: nobody listens, or no answer within `timeout`.
absl::Status ConnectTcpTo(int fd, const PeerAddress& address, absl::Duration timeout);
// Of a socket that does not block: one of `events` of poll(2) has come, or it is over. False: not
// within `timeout`.
bool AwaitTcp(int fd, short events, absl::Duration timeout);
void LetTcpBlock(int fd);

}  // namespace baton::ha
