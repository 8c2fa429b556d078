// The clone plugins: what a clone changes in the I/O paths of its two volumes.
#pragma once

#include <absl/status/status.h>

#include <functional>
#include <memory>

#include "engine/clone/clone_run.h"
#include "engine/volume/io_path.h"

namespace baton {

// Decides about a host write to the source whose extents could not be preserved, according to
// the relation's on_error. OK: the clone has failed, durably, and the write may go on.
using OnPreserveFailed = std::function<absl::Status(const absl::Status& why)>;

// Copy-before-write on the source: nothing is overwritten before it is preserved. Reads and
// flushes pass through.
class SourcePlugin final : public IoPlugin {
 public:
  SourcePlugin(std::shared_ptr<CloneRun> run, OnPreserveFailed on_failed)
      : run_(std::move(run)), on_failed_(std::move(on_failed)) {}

  absl::Status Write(VolumeIo& next, uint64_t offset, Bytes data) override;
  absl::Status Discard(VolumeIo& next, uint64_t offset, uint64_t length_bytes) override;

 private:
  absl::Status BeforeChange(uint64_t offset, uint64_t length_bytes);

  const std::shared_ptr<CloneRun> run_;
  const OnPreserveFailed on_failed_;
};

// The target's view: T0 content from T0 on, whatever is copied already. What the host changes is
// copied first, and recorded durably, so that its change is the only thing that is ever written
// over the T0 content. Offline while the run is not active: a target that is not the T0 image is
// never readable as if it were.
class TargetPlugin final : public IoPlugin {
 public:
  explicit TargetPlugin(std::shared_ptr<CloneRun> run) : run_(std::move(run)) {}

  absl::Status Read(VolumeIo& next, uint64_t offset, MutableBytes out) override;
  absl::Status Write(VolumeIo& next, uint64_t offset, Bytes data) override;
  absl::Status Flush(VolumeIo& next) override;
  absl::Status Discard(VolumeIo& next, uint64_t offset, uint64_t length_bytes) override;

 private:
  absl::Status BeforeChange(uint64_t offset, uint64_t length_bytes);

  const std::shared_ptr<CloneRun> run_;
};

}  // namespace baton
