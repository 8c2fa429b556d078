// Who this process is, in words that other nodes can compare.
#pragma once

#include <absl/status/statusor.h>

#include <string>

namespace baton {

struct NodeIdentity {
  std::string node;      // the configured name
  std::string boot_id;   // of this node's running kernel
  std::string instance;  // drawn anew by each process
};

// Asks the kernel for the boot id and draws the instance.
absl::StatusOr<NodeIdentity> MakeNodeIdentity(const std::string& node);

// "xxxxxxxx-xxxx-4xxx-xxxx-xxxxxxxxxxxx" from the kernel's random numbers.
std::string RandomUuid();

}  // namespace baton
