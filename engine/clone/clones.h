// The clones of a pool: the root that owns what commands, copies, endings and views of them need.
#pragma once

#include <absl/functional/function_ref.h>
#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <memory>
#include <string>
#include <vector>

#include "engine/base/fault.h"
#include "engine/clone/attached_runs.h"
#include "engine/clone/clone_checks.h"
#include "engine/clone/clone_endings.h"
#include "engine/clone/clone_failures.h"
#include "engine/clone/clone_locks.h"
#include "engine/clone/clone_operations.h"
#include "engine/clone/clone_queries.h"
#include "engine/clone/clone_verifier.h"
#include "engine/clone/command_gate.h"
#include "engine/clone/copier.h"
#include "engine/clone/copy_pipeline.h"
#include "engine/clone/intent_log.h"
#include "engine/clone/log_drain.h"
#include "engine/clone/redirects.h"
#include "engine/clone/relation_changes.h"
#include "engine/clone/relation_table.h"
#include "engine/clone/residuals.h"
#include "engine/clone/run_factory.h"
#include "engine/meta/catalog.h"
#include "engine/volume/volume_table.h"

namespace baton {

// Thread-safe. What each call means is said where its part is declared.
class Clones {
 public:
  struct Options {
    Storage& storage;
    Runtime& runtime;
    const Fence& fence;
    Fault& fault;
    Catalog& catalog;
    VolumeTable& volumes;
    uint64_t epoch = 0;
    // Bytes that one copy reads and writes at once, and how many host writes may copy at one time.
    uint64_t copy_bytes = limits::kMaxCopyBytes;  // not less than log_shape.data_bytes
    size_t copy_buffers = limits::kCopyBuffers;
    bool hold_copiers = false;  // until StartCopiers
    LogShape log_shape = {};
    WriteLogShape write_log_shape = {};  // without segments there is none
    bool durable_writes = false;         // an acknowledged write is durable
  };

  // Recovers; copiers run when it returns, unless they are held. Errors: see CloneRecovery.
  static absl::StatusOr<std::unique_ptr<Clones>> Open(const Options& options);
  ~Clones();  // as StopCopying
  Clones(const Clones&) = delete;
  Clones& operator=(const Clones&) = delete;

  void StartCopiers();
  void TakeLocks() const;  // see Engine

  // The engine has met a fault: who waits for the write log is let go.
  void GiveUp(const absl::Status& aborted) { write_log_->GiveUp(aborted); }
  // Stops background work and refuses commands from now on. Host I/O may still need what is
  // here: call Finish once the volumes' paths are shut down.
  void StopCopying();
  // Everything that was copied is recorded when it returns; the residual of each running clone.
  std::vector<Residual> Finish();

  absl::StatusOr<uint64_t> Create(const CloneOptions& options) { return commands_.Create(options); }
  absl::Status Activate(const std::vector<uint64_t>& ids) { return commands_.Activate(ids); }
  absl::Status Start(const std::vector<uint64_t>& ids) { return commands_.Start(ids); }
  absl::Status Pause(uint64_t id) { return commands_.Pause(id); }
  absl::Status Resume(uint64_t id) { return commands_.Resume(id); }
  absl::Status Stop(uint64_t id) { return commands_.Stop(id); }
  absl::Status Delete(uint64_t id) { return commands_.Delete(id); }
  absl::Status SetRate(uint64_t id, uint64_t bytes_per_second) {
    return commands_.SetRate(id, bytes_per_second);
  }
  absl::Status SetLatencyTarget(uint64_t id, uint64_t target_us) {
    return commands_.SetLatencyTarget(id, target_us);
  }

  std::vector<CloneStatus> List() const { return queries_.List(); }
  absl::StatusOr<CloneStatus> Show(uint64_t id) const { return queries_.Show(id); }
  absl::StatusOr<Residual> ShowResidual(uint64_t id, bool with_extents) const {
    return queries_.ShowResidual(id, with_extents);
  }
  absl::StatusOr<VerifyReport> Verify(uint64_t id, const VerifyProgress& progress) const {
    return verifier_.Verify(id, progress);
  }
  WriteLogStatus ShowWriteLog() const { return write_log_->Describe(); }
  uint64_t write_log_used_bytes() const { return write_log_->used_bytes(); }
  FirstWrites CountFirstWrites() const { return redirects_.CountFirstWrites(); }
  // No clone names the volume, but for completed ones, and none will while the caller keeps
  // creations away. FailedPrecondition.
  absl::Status CheckMayGrow(const std::string& volume) {
    return checks_.CheckMayGrow(CloneLocks::Command(locks_), volume);
  }
  // The write log knows nothing of the volume any more when it returns OK. REQUIRES: no clone names
  // it, and no host has it open.
  absl::Status ReleaseFromLog(const Volume& volume) {
    return redirects_.Release(CloneLocks::Command(locks_), volume.id);
  }
  // By number. `visit` runs under a lock: it waits for nothing.
  void ForEachRecord(absl::FunctionRef<void(const RelationRecord&)> visit) const {
    table_.ForEach([&](const Relation& relation) { visit(relation.record); });
  }
  bool HasView(const std::string& volume) const { return table_.HasView(volume); }

 private:
  Clones(const Options& options, std::unique_ptr<IntentLog> log,
         std::unique_ptr<WriteLog> write_log);
  void StopDraining();
  void EndWriteLog();
  absl::Status Recover(const Options& options);
  std::vector<IntentSlot> ReadSlotsAtEnd();

  // Each part is declared after those that it uses. What reports to a later one does it from a
  // thread or from host I/O, and there is none of either before Recover and after StopCopying.
  Fault& fault_;
  Catalog& catalog_;
  CloneLocks locks_;
  RelationTable table_;
  CommandGate gate_;
  RelationChanges changes_;
  CloneFailures failures_;  // reports to endings_
  CopyPipeline pipeline_;   // reports to failures_
  const RunFactory factory_;
  Copier copier_;  // reports to endings_
  const std::unique_ptr<WriteLog> write_log_;
  Redirects redirects_;
  LogDrain drain_;  // reports to failures_
  AttachedRuns runs_;
  const CloneChecks checks_;
  const Residuals residuals_;
  CloneEndings endings_;
  CloneOperations commands_;
  const CloneQueries queries_;
  const CloneVerifier verifier_;
};

}  // namespace baton
