// The commands of users on clones, in the order of a clone's life.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "engine/base/limits.h"
#include "engine/base/model.pb.h"
#include "engine/base/runtime.h"
#include "engine/clone/attached_runs.h"
#include "engine/clone/clone_checks.h"
#include "engine/clone/clone_locks.h"
#include "engine/clone/relation_changes.h"
#include "engine/clone/run_factory.h"
#include "engine/meta/catalog.h"
#include "engine/volume/volume.h"

namespace baton {

struct CloneOptions {
  std::string source;
  std::string target;
  uint64_t extent_bytes = limits::kDefaultExtentBytes;
  uint64_t rate_bytes_per_second = 0;  // 0: unlimited
  uint64_t latency_target_us = 0;      // 0: none
  OnError on_error = FAIL_CLONE;
  bool no_digests = false;
};

// Thread-safe; one command at a time. Each is durable when it returns OK. What each returns, and
// what it leaves behind when it fails, is said in engine.h.
class CloneOperations {
 public:
  struct Parts {
    CloneLocks& locks;
    const CloneChecks& checks;
    RelationTable& table;
    RelationChanges& changes;
    const RunFactory& factory;
    AttachedRuns& runs;
    const Redirects& redirects;
  };
  CloneOperations(Runtime& runtime, Catalog& catalog, const Parts& parts)
      : runtime_(runtime), catalog_(catalog), parts_(parts) {}

  absl::StatusOr<uint64_t> Create(const CloneOptions& options);
  absl::Status Activate(const std::vector<uint64_t>& ids);
  absl::Status Start(const std::vector<uint64_t>& ids);
  absl::Status Pause(uint64_t id);
  absl::Status Resume(uint64_t id);
  absl::Status Stop(uint64_t id);
  absl::Status Delete(uint64_t id);
  absl::Status SetRate(uint64_t id, uint64_t bytes_per_second);
  absl::Status SetLatencyTarget(uint64_t id, uint64_t target_us);

 private:
  using Change = RelationChanges::Change;

  absl::Status ActivateOne(const CloneLocks::Command& command, const RelationRecord& before);
  absl::Status HideTarget(const CloneLocks::Command& command, uint64_t id,
                          const std::shared_ptr<CloneRun>& run);
  absl::Status EmptyTarget(Volume& target) const;
  absl::Status CommitStart(const std::vector<Relation>& relations);
  int64_t UnixMicros() const { return absl::ToUnixMicros(runtime_.WallTime()); }

  Runtime& runtime_;
  Catalog& catalog_;
  const Parts parts_;
};

}  // namespace baton
