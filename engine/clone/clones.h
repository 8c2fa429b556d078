// The clones of a pool: commands, what the copier and host I/O report, recovery.
#pragma once

#include <absl/synchronization/mutex.h>

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/base/fault.h"
#include "engine/base/sleep_lock.h"
#include "engine/clone/bitmap_committer.h"
#include "engine/clone/clone_run.h"
#include "engine/clone/copier.h"
#include "engine/clone/intent_log.h"
#include "engine/clone/log_writeback.h"
#include "engine/clone/relation.h"
#include "engine/clone/state.h"
#include "engine/meta/catalog.h"
#include "engine/volume/volume_table.h"

namespace baton {

struct CloneOptions {
  std::string source;
  std::string target;
  uint64_t extent_bytes = limits::kDefaultExtentBytes;
  uint64_t rate_bytes_per_second = 0;  // 0: unlimited
  OnError on_error = FAIL_CLONE;
  bool no_digests = false;
};

// Thread-safe. Two locks order everything, always taken in this order and never on the data path:
//   commands_  a command of a user, or what follows the end of a copy; held while paths drain
//   changes_   a change of records, from the check of the state to the commit; a host write whose
//              extents cannot be preserved takes it too, so it is never held while a path drains
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
    uint64_t copy_bytes = limits::kMaxCopyBytes;  // not less than ring.data_bytes
    size_t copy_buffers = limits::kCopyBuffers;
    bool hold_copiers = false;  // until StartCopiers
    LogShape ring = {};
  };

  // Recovers, see recovery.cc; copiers run when it returns, unless they are held.
  static absl::StatusOr<std::unique_ptr<Clones>> Open(const Options& options);
  ~Clones();  // as Stop

  void StartCopiers();
  void TakeLocks() const;  // see Engine

  // Stops background work and refuses commands from now on. Host I/O may still need what is
  // here: call Finish once the volumes' paths are shut down.
  void StopCopying();
  // Everything that was copied is recorded when it returns; the residual of each running clone.
  std::vector<Residual> Finish();

  absl::StatusOr<uint64_t> Create(const CloneOptions& options);
  absl::Status Activate(const std::vector<uint64_t>& ids);
  absl::Status Start(const std::vector<uint64_t>& ids);
  absl::Status Pause(uint64_t id);
  absl::Status Resume(uint64_t id);
  absl::Status Stop(uint64_t id);
  absl::Status Delete(uint64_t id);
  absl::Status SetRate(uint64_t id, uint64_t bytes_per_second);

  std::vector<CloneStatus> List() const;
  absl::StatusOr<CloneStatus> Show(uint64_t id) const;
  absl::StatusOr<Residual> ShowResidual(uint64_t id, bool with_extents) const;
  absl::StatusOr<uint64_t> Find(const std::string& id_or_target) const;
  absl::StatusOr<VerifyReport> Verify(
      uint64_t id, const std::function<bool(uint64_t done, uint64_t total)>& progress) const;

  // The relations that name the volume.
  std::vector<uint64_t> Using(const std::string& volume) const;
  bool IsOffline(const std::string& volume) const;
  // What the volume shows is not what its file holds: the target of a clone that has not ended.
  bool HasView(const std::string& volume) const;

 private:
  using RelationPtr = std::shared_ptr<Relation>;
  class Change;
  struct Ending {
    uint64_t id = 0;
    std::shared_ptr<CopyJob> job;  // null: a host write failed the clone
    absl::Status result;
  };

  explicit Clones(const Options& options, std::unique_ptr<IntentLog> log);

  // clones.cc: look-ups and checks
  absl::Status CheckServing() const;
  absl::StatusOr<RelationPtr> Get(uint64_t id) const;
  absl::StatusOr<RelationPtr> GetFor(Action action, uint64_t id) const;
  absl::StatusOr<std::vector<RelationPtr>> GetFor(Action action,
                                                  const std::vector<uint64_t>& ids) const;
  RelationRecord RecordOf(const Relation& relation) const;
  absl::StatusOr<std::shared_ptr<Volume>> UsableVolume(const std::string& name) const;
  absl::Status CheckPair(const RelationRecord& record) const;
  absl::Status CheckGroup(const std::vector<RelationPtr>& relations) const;
  absl::Status CheckActivation(const Relation& relation) const;
  size_t CountActive() const;

  // clone_commands.cc
  absl::Status ActivateOne(Relation& relation);
  absl::Status CommitStart(const std::vector<RelationPtr>& relations);
  std::shared_ptr<CloneRun> MakeRun(const RelationRecord& record);
  void AttachPlugins(Relation& relation);
  void StartJob(Relation& relation);
  void StopJob(Relation& relation);
  // Ends the run's work: copier, copies in flight, the plugin of the source.
  absl::Status Detach(Relation& relation);
  absl::Status EmptyTarget(Volume& target);

  // clone_endings.cc: what ends a copy without a command
  void OnJobFinished(const std::shared_ptr<CopyJob>& job, const absl::Status& result);
  absl::Status OnPreserveFailed(uint64_t id, const absl::Status& why);
  absl::Status OnWritebackFailed(uint64_t run_id, const absl::Status& why);
  absl::Status Fail(Relation& relation, const absl::Status& why);
  void PauseOnError(Relation& relation, const absl::Status& why);
  absl::Status Certify(CloneRun& run, std::string& certificate);
  absl::Status Complete(Relation& relation, const std::string& certificate);
  void WorkOnEndings();
  void HandleEnding(const Ending& ending);
  void Report(Ending ending);

  // recovery.cc
  absl::Status Recover();
  absl::Status LoadRelation(const RelationRecord& record);
  absl::Status RecoverSlots();
  void RecordFailure(uint64_t run_id, const absl::Status& why, MetaBatch& batch);
  void AddRecoveryEvents(MetaBatch& batch);
  void Revive(Relation& relation);

  // clone_view.cc
  CloneStatus ViewOf(const Relation& relation) const ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  Residual ResidualOf(const Relation& relation, bool with_extents) const
      ABSL_SHARED_LOCKS_REQUIRED(mutex_);

  std::vector<IntentSlot> ReadSlotsAtEnd();
  // One event that says what is left of a running clone.
  void AddResidualEvent(const std::string& kind, const Relation& relation, const Residual& residual,
                        MetaBatch& batch) const ABSL_SHARED_LOCKS_REQUIRED(mutex_);

  Storage& storage_;
  Runtime& runtime_;
  Fault& fault_;
  Catalog& catalog_;
  VolumeTable& volumes_;
  const std::unique_ptr<IntentLog> log_;
  BufferPool buffers_;
  std::unique_ptr<BitmapCommitter> committer_;
  std::unique_ptr<LogWriteback> writeback_;  // goes first: it hands over to the committer
  const CopyServices services_;

  SleepLock commands_;
  SleepLock changes_;
  mutable absl::Mutex mutex_;  // never held over I/O
  std::map<uint64_t, RelationPtr> relations_ ABSL_GUARDED_BY(mutex_);

  absl::CondVar ended_;
  std::deque<Ending> endings_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::unique_ptr<Copier> copier_;
  std::unique_ptr<Thread> endings_thread_;
};

}  // namespace baton
