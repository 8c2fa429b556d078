// The facade of the engine: one epoch of one pool, from Open to Seal.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/base/fence.h"
#include "engine/base/file_lock.h"
#include "engine/base/first_writes.h"
#include "engine/base/limits.h"
#include "engine/base/model.pb.h"
#include "engine/base/runtime.h"
#include "engine/base/storage.h"
#include "engine/base/volume_io.h"
#include "engine/clone/clones.h"
#include "engine/host_locks.h"
#include "engine/meta/meta_store.h"
#include "engine/pool_view.h"

namespace baton {

struct VolumeOptions {
  std::string name;
  uint64_t size_bytes = 0;
  bool thick = false;
  bool importing = false;
};

// What can be asked of it stands in PoolView, and is answered as of now. Thread-safe. Every command
// is durable when it returns OK, and changed nothing when it returns
//   InvalidArgument     bad input                 NotFound / AlreadyExists  no such / such a name
//   FailedPrecondition  the state does not allow it (the message says which states do)
//   ResourceExhausted   a limit or a full storage
// Aborted means that the engine has faulted or is sealed.
class Engine : public PoolView {
 public:
  struct Options {
    Storage& storage;  // the pool's directory
    Runtime& runtime;
    Fence& fence;
    std::unique_ptr<MetaStore> meta;
    uint64_t epoch = 0;
    Durability durability = DURABILITY_NODE;
    std::string node;
    // Memory: buffers for requests that are not aligned, and for copies that host writes ask for
    // (a longer request or extent is written back in pieces). All are resident while the engine
    // lives.
    size_t request_buffers = 32;
    uint64_t request_bytes = limits::kMaxRequestBytes;
    size_t copy_buffers = limits::kCopyBuffers;
    uint64_t copy_bytes = limits::kMaxCopyBytes;
    // Copiers stay still until StartCopiers, whatever is commanded meanwhile. Host I/O goes on and
    // preserves what it overwrites.
    bool hold_copiers = false;
    // Of the pool's file; another one than a pool has is for tests.
    LogShape log_shape = {};
    // Of the write log; without segments there is none.
    WriteLogShape write_log_shape = {};
    // Called from any thread when the engine cannot go on: an error of a sync (DataLoss), of a
    // metadata write, of the fence. Once, and a second time when it was something else and a sync
    // fails after it. No write is acknowledged from then on. It only takes note:
    // calling the engine from inside it would wait for itself.
    std::function<void(const absl::Status&)> on_fault;
    // Called from any thread when a node gave back something of the volume's locks that another
    // one was refused. Takes note and returns; may be empty.
    std::function<void(uint64_t volume_id)> on_lock_freed = {};
  };

  // What the pool's intent slots prove to be durable metadata: who claims an epoch raises
  // ClaimedEpoch::known_sequence to it before the claimed store is opened. DataLoss: see Open.
  static absl::StatusOr<uint64_t> KnownMetaSequence(Storage& storage, Runtime& runtime);

  // Gives back the space of write logs that are empty and were kept for a moment when nobody waits.
  // Any process may, whoever owns the pool.
  static void GiveBackSpace(Storage& storage);

  // Recovers: reads all intent slots, loads the relations, puts their plugins in the I/O paths,
  // starts the copiers of those that were copying, unless they are held. CloneResidual tells what
  // was found. An engine may be opened again in the process in which one was sealed, with the
  // store of another epoch, once the sealed one is destroyed. DataLoss: a record, slot or volume
  // file is not what its checksum or its record says (the message names it).
  static absl::StatusOr<std::unique_ptr<Engine>> Open(Options options);
  ~Engine() override = default;  // as Seal, its answer dropped

  // Stops with feedback: closes the gates, drains what is in flight, takes the plugins off, makes
  // the metadata durable. Host I/O from then on returns Aborted. Answers with the residual of
  // every clone that was copying or paused, with the number of the newest metadata write that it
  // includes. Idempotent.
  virtual absl::StatusOr<std::vector<Residual>> Seal() = 0;

  // Lets copiers go that were held (Options::hold_copiers). Idempotent.
  virtual void StartCopiers() = 0;

  // Takes the locks of what lists volumes and clones, and gives them back: returns, if the engine
  // is not stuck.
  virtual void TakeLocks() const = 0;

  // ---- volumes ----
  // AlreadyExists also when a file of that name with data lies in POOL/volumes.
  virtual absl::StatusOr<VolumeInfo> CreateVolume(const VolumeOptions& options) = 0;
  // Makes a volume of the file POOL/volumes/NAME as it is.
  virtual absl::StatusOr<VolumeInfo> AdoptVolume(const std::string& name) = 0;
  virtual absl::Status FinishImport(const std::string& name) = 0;
  // Grows it, while it is open, too; what is new reads as zeros. FailedPrecondition also while a
  // clone names it that is not completed. Open handles see the new size.
  virtual absl::Status ResizeVolume(const std::string& name, uint64_t size_bytes) = 0;
  // Of a volume that no clone names and nobody has open. It keeps its id.
  virtual absl::Status RenameVolume(const std::string& name, const std::string& to) = 0;
  virtual absl::Status DeleteVolume(const std::string& name) = 0;

  // The I/O path of a volume. The handle counts as open until it is destroyed. I/O of the handle
  // on a target that is offline returns FailedPrecondition. Aborted also while a command is about
  // to discard the volume's content: ask again.
  virtual absl::StatusOr<std::unique_ptr<VolumeIo>> OpenVolume(uint64_t id) = 0;
  // The first range that may hold data at or after `offset`; nullopt when only a hole is left.
  virtual absl::StatusOr<std::optional<DataRange>> NextData(uint64_t id, uint64_t offset) const = 0;

  // ---- advisory locks: HostLocks (host_locks.h) says what each call means ----
  virtual absl::StatusOr<std::optional<FileLock>> SetLocks(const LockTeller& teller,
                                                           uint64_t volume_id,
                                                           const FileLocks& locks) = 0;
  virtual absl::StatusOr<std::vector<VolumeLocks>> SetAllLocks(
      const LockTeller& teller, const std::vector<VolumeLocks>& all) = 0;
  virtual absl::Status DropLocks(const std::string& node) = 0;
  virtual absl::Status DropLocksOfOthers(const std::vector<std::string>& nodes) = 0;
  virtual std::optional<FileLock> FindLock(const std::string& node, uint64_t volume_id,
                                           const FileLock& wanted) const = 0;

  // ---- clones ----
  virtual absl::StatusOr<uint64_t> CreateClone(const CloneOptions& options) = 0;
  // One after the other: those before the one that fails stay activated. One whose target cannot be
  // emptied (an error of the storage) stays created, and its target has lost a part of its content.
  virtual absl::Status ActivateClones(const std::vector<uint64_t>& ids) = 0;
  // All at one T0, or none.
  virtual absl::Status StartClones(const std::vector<uint64_t>& ids) = 0;
  virtual absl::Status PauseClone(uint64_t id) = 0;
  virtual absl::Status ResumeClone(uint64_t id) = 0;
  virtual absl::Status StopClone(uint64_t id) = 0;
  // Of a clone that was activated but never completed: also empties the target, which is then an
  // ordinary volume of zeros.
  virtual absl::Status DeleteClone(uint64_t id) = 0;
  virtual absl::Status SetCloneRate(uint64_t id, uint64_t bytes_per_second) = 0;
  // 0: none.
  virtual absl::Status SetCloneLatencyTarget(uint64_t id, uint64_t target_us) = 0;
  // Reads the whole target; `progress` (may be empty) is told extents done and total and returns
  // false to give up (Cancelled).
  virtual absl::StatusOr<VerifyReport> VerifyClone(
      uint64_t id, const std::function<bool(uint64_t done, uint64_t total)>& progress) = 0;

  // ---- the write log: nothing of it waits for the storage ----
  virtual WriteLogStatus ShowWriteLog() const = 0;
  // Of that. For whoever asks often.
  virtual uint64_t WriteLogUsedBytes() const = 0;
  // Of this epoch.
  virtual FirstWrites CountFirstWrites() const = 0;

  // ---- nodes ----
  // Whose requests are refused, by name; nobody else is told. Who serves them looks here.
  virtual std::vector<EvictionRecord> EvictedNodes() const = 0;
  // The eviction that is in force; of a node that is evicted already the one that there is.
  virtual absl::StatusOr<EvictionRecord> EvictNode(const std::string& node) = 0;
  // Ends that eviction, if it is in force.
  virtual absl::Status ReadmitNode(const std::string& node, uint64_t eviction) = 0;

  // ---- events ----
  virtual absl::Status RecordEvent(Event event) = 0;  // fills version, sequence, time, epoch, node
};

}  // namespace baton
