// Who serves the volumes of a mount: this node's engine, or a peer.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/base/volume_directory.h"
#include "engine/host_locks.h"

namespace baton::ha {

// Whoever serves must know what is open in the mount of each node before it lets a command discard
// a volume's content. What is open in one mount changes in an order that the calls below carry: a
// number that grows with each change, over all processes that serve the mount on one boot of the
// node. In whatever order the calls arrive, the change with the greatest number counts.
//
// The defaults are for a server whose handles count by themselves. Thread-safe.
class VolumeServer : public VolumeDirectory {
 public:
  // As Open: the volume is open as of `order`.
  virtual absl::StatusOr<std::shared_ptr<VolumeIo>> OpenInOrder(uint64_t id, uint64_t /*order*/) {
    return Open(id);
  }
  // It is not open as of `order`. An error: the server may not know.
  virtual absl::Status CloseInOrder(uint64_t /*id*/, uint64_t /*order*/) {
    return absl::OkStatus();
  }
  // These volumes, and no others, are open as of `order`. An error: the server may not know; or it
  // has evicted this node (EvictionOf).
  virtual absl::Status TellOpen(const std::vector<uint64_t>& /*ids*/, uint64_t /*order*/) {
    return absl::OkStatus();
  }
  // Nothing is open as of `order`, and nothing that was asked in this mount before the eviction is
  // waiting any more: the server ends the eviction. An error: it may not have.
  virtual absl::Status EndEviction(uint64_t /*eviction*/, uint64_t /*order*/) {
    return absl::OkStatus();
  }
  // As SetLocks and SetAllLocks, of this node, as of `order` (LockTeller).
  virtual absl::StatusOr<std::optional<FileLock>> SetLocksInOrder(uint64_t /*id*/,
                                                                  const FileLocks& /*locks*/,
                                                                  uint64_t /*order*/) {
    return std::nullopt;
  }
  virtual absl::StatusOr<std::vector<VolumeLocks>> SetAllLocksInOrder(
      const std::vector<VolumeLocks>& /*all*/, uint64_t /*order*/) {
    return std::vector<VolumeLocks>();
  }
};

// The owner's locks, for whatever node: HostLocks says what each call means. Aborted while this
// controller owns nothing.
class LockServer {
 public:
  virtual ~LockServer() = default;
  virtual absl::StatusOr<std::optional<FileLock>> SetLocksOf(const LockTeller& teller, uint64_t id,
                                                             const FileLocks& locks) = 0;
  virtual absl::StatusOr<std::vector<VolumeLocks>> SetAllLocksOf(
      const LockTeller& teller, const std::vector<VolumeLocks>& all) = 0;
  virtual absl::StatusOr<std::optional<FileLock>> FindLockFor(const std::string& node, uint64_t id,
                                                              const FileLock& wanted) const = 0;
  virtual absl::Status DropLocksOf(const std::string& node) = 0;
};

}  // namespace baton::ha
