// The way by which hosts reach the volumes.
#pragma once

#include <absl/status/statusor.h>

#include <memory>
#include <string>
#include <vector>

#include "engine/base/volume_io.h"
#include "engine/engine.h"

namespace baton::checker {

// The engine is always in this process; commands go to it directly, host I/O through Open. Not
// thread-safe but for Open.
class Backend {
 public:
  virtual ~Backend() = default;
  virtual Engine& engine() = 0;
  // As a host sees the volume. `direct`: without caches on the way, where there may be some.
  virtual absl::StatusOr<std::unique_ptr<VolumeIo>> Open(const std::string& volume,
                                                         bool direct) = 0;
  // Whether hosts wait while there is no engine, and go on with the handles that they have.
  virtual bool hosts_survive() const = 0;
  // What a host is told when a target is offline.
  virtual bool IsOffline(const absl::Status& status) const = 0;

  // Ends the engine while hosts are at work, or not. Their I/O fails, or waits for Reopen.
  virtual absl::Status Seal() = 0;
  // The engine of the next epoch. Every handle of Open is gone.
  virtual absl::Status Reopen() = 0;
  // The plain file, whatever the engine says.
  virtual absl::StatusOr<std::vector<std::byte>> ReadFile(const std::string& volume) = 0;
};

}  // namespace baton::checker
