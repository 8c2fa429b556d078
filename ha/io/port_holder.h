// Who listens at a port of this machine.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "ha/io/peer_address.h"

namespace baton::ha {

struct PortHolder {
  pid_t pid = 0;     // 0: of no process that this one may look at
  std::string name;  // of its program, 15 characters
};

// By /proc, in this network namespace: all processes that have a socket which listens at this
// address, or at all addresses of the machine, at this port. Where `address` is a wildcard: at any
// address. Looks at all processes: some milliseconds. REQUIRES: address.IsNumber().
std::vector<PortHolder> FindPortHolders(const PeerAddress& address);

}  // namespace baton::ha
