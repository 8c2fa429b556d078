// One controller process of a node name at a time, on this node.
#pragma once

#include <absl/status/statusor.h>

#include <string>
#include <utility>

#include "engine/base/unique_fd.h"

namespace baton {

// Held from Take to the destructor, or to the end of the process however it ends: the kernel lets
// go of it only then. So whoever holds it knows that an earlier process of this name on this boot
// of this node is dead. (It is an flock of POOL/lease/NODE.lock: between nodes it proves nothing,
// not every shared file system carries it.) A child made by fork holds it too.
class NodeLock {
 public:
  // FailedPrecondition: another process has it; the message has its process id.
  static absl::StatusOr<NodeLock> Take(const std::string& pool_directory, const std::string& node);
  ~NodeLock();
  // Writes the process id once more, durably: whether the pool's storage takes writes of this node.
  // As slow as the storage is.
  absl::Status Probe() const;
  NodeLock(NodeLock&&) = default;

 private:
  explicit NodeLock(UniqueFd file) : file_(std::move(file)) {}

  UniqueFd file_;
};

}  // namespace baton
