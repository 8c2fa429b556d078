// The write log of a pool: what hosts wrote to extents that a clone has not copied yet. It is
// acknowledged from here, and the volume's file keeps the T0 content until that is copied.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/synchronization/mutex.h>

#include <atomic>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "engine/base/buffer_pool.h"
#include "engine/base/fault.h"
#include "engine/base/fence.h"
#include "engine/base/model.pb.h"
#include "engine/base/runtime.h"
#include "engine/base/volume_io.h"
#include "engine/write_log/block_index.h"
#include "engine/write_log/log_file.h"
#include "engine/write_log/old_logs.h"

namespace baton {

// A volume as the write log knows it; lives as long as the log.
struct LoggedVolume {
  explicit LoggedVolume(uint64_t volume_id) : id(volume_id) {}
  const uint64_t id;
  // Its blocks whose newest content is in the log. Not 0 from before the first of them is
  // acknowledged until its file has them all, durably, and the log does not.
  std::atomic<uint64_t> blocks = 0;
};

// Entries are drained in the order of their segments: the oldest segment as a whole, then the next
// one. So whoever finds no newest content of a block in the log knows that no older one is there
// either, and may write to the volume's file: no recovery brings anything back over it.
//
// Each epoch has a file of its own. Those of earlier epochs are only read; what an owner that was
// deposed still writes to one is never looked at (OldLogs).
//
// Thread-safe. The way of a host's write allocates nothing and holds no lock over I/O.
class WriteLog {
 public:
  struct Options {
    Storage& storage;
    Runtime& runtime;
    const Fence& fence;
    Fault& fault;
    uint64_t epoch = 0;
    bool durable_writes = false;  // an acknowledged write is durable
    WriteLogShape shape;
    std::function<uint64_t()> meta_sequence;  // of the newest durable metadata write
    size_t buffers = 32;                      // writes that are under way at one time
  };
  // Reads what earlier epochs have left. DataLoss: a log is garbled.
  static absl::StatusOr<std::unique_ptr<WriteLog>> Open(const Options& options);
  ~WriteLog();  // as Stop
  WriteLog(const WriteLog&) = delete;
  WriteLog& operator=(const WriteLog&) = delete;

  // Makes room in the background, from now on and at most once; until there is some, and when
  // storage is full, nothing is logged.
  void Enable();

  // By id; made when it is not there.
  LoggedVolume& VolumeOf(uint64_t id);
  // Those with content in the log.
  std::vector<uint64_t> LoggedVolumes() const;

  // ---- of hosts; ranges of whole blocks ----

  enum class Want {
    kFresh,   // may go another way
    kLogged,  // the log has newer content than the file: the file must not be written to
  };
  // True: the write is acknowledged. False, and nothing was done: there is no room for a fresh one.
  // Waits for room otherwise. Aborted: the controller cannot go on.
  absl::StatusOr<bool> Append(LoggedVolume& volume, uint64_t offset, Bytes data, Want want);
  // The log has content of one of the blocks. What an Append has not answered may be missing. Of a
  // range of more than limits::kMaxRequestBytes: it has content of the volume.
  bool Has(const LoggedVolume& volume, uint64_t offset, uint64_t length_bytes) const;
  // Content of the log where it has some, that of `file` elsewhere. Any range.
  absl::Status Read(const LoggedVolume& volume, VolumeIo& file, uint64_t offset, MutableBytes out);
  // What was acknowledged is durable.
  absl::Status Sync(const LoggedVolume& volume);
  absl::Status SyncAll() { return SyncOwn(); }
  // Return when what the log had of the range, of the volume, of any volume when they were called
  // is gone from it; what is written meanwhile may be there. An error: see SetStuck, and GiveUp.
  absl::Status WaitDrained(const LoggedVolume& volume, uint64_t offset, uint64_t length_bytes);
  absl::Status WaitDrained(const LoggedVolume& volume);
  // DeadlineExceeded: after `at_most` it has not.
  absl::Status WaitAllDrained(absl::Duration at_most);
  // Of writes that are acknowledged and not drained; what was written twice counts once.
  uint64_t blocks() const;
  // OK, or Aborted since GiveUp: nothing may be written to the files of volumes any more, because
  // an entry that was not answered may be in the log. One atomic load.
  absl::Status Check() const;

  // ---- of who drains it: one thread ----

  // Entries that are drained together.
  struct Batch {
    uint32_t file = 0;
    std::optional<uint64_t> segment;  // of the epoch's own file; none: all of an older one
    std::vector<LogWrite> writes;
    bool is_urgent = false;  // somebody waits for it, or soon would
  };
  // The oldest batch, once it is due and complete. nullopt: everything is over.
  std::optional<Batch> Take();
  // The block of the volume has no newer content than that of the write of the batch.
  bool IsNewest(const Batch& batch, const LogWrite& write, uint64_t block) const;
  absl::Status ReadData(const Batch& batch, const LogWrite& write, uint64_t block,
                        MutableBytes out) const;
  // The volumes' files have everything of it, durably. OK: it is gone, durably.
  absl::Status Free(const Batch& batch);
  // Storage does not take what is drained; OK: it does again. Who waits for it is told so instead
  // of waiting.
  void SetStuck(const absl::Status& why);
  // Aborted: nobody waits for what is drained any more. A batch may be left at any point.
  absl::Status GoOn() const;
  // What earlier owners have left of logs that were drained. Takes long.
  void RemoveDrained() const { RemoveDrainedLogs(options_.storage); }

  // From now on nothing is acknowledged and nothing waits: everything returns `aborted`.
  void GiveUp(const absl::Status& aborted);
  // Reports the fault, unless it is Aborted, and gives up. Returns Aborted.
  absl::Status Fail(const absl::Status& why);
  // Take returns nullopt, and no more room is made. Everything else goes on.
  void Stop();
  // The epoch's own file is no log any more: RemoveDrainedLogs takes it away. REQUIRES: Stop, and
  // nothing is in the log.
  absl::Status DropOwnFile();

  uint64_t segments() const;  // that there is room for
  WriteLogStatus Describe() const;
  // As Describe has it. Costs as many additions as there are segments.
  uint64_t used_bytes() const;

 private:
  struct Segment {
    bool is_free = true;  // otherwise it is ready, filling or sealed
    bool is_listed = false;
    uint64_t first_sequence = 0;
    uint64_t used_blocks = 0;
    int in_flight = 0;
    absl::Duration since;  // its first write
    std::vector<LogWrite> writes;
  };
  struct Reservation {
    uint64_t segment = 0;
    LogWrite write;
  };

  explicit WriteLog(const Options& options, OldLogs old_logs);

  void MakeRoom();
  // What the thread that makes room does next.
  struct Task {
    enum class Kind { kMakeReady, kList, kAdd };
    Kind kind;
    uint64_t segment;
  };
  std::optional<Task> NextTask() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::optional<uint64_t> SegmentToList() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Do(const Task& task);
  absl::Status List(uint64_t segment);
  absl::Status AddSegment(uint64_t segment);
  absl::Status MakeReady(uint64_t segment);
  absl::Status WriteRecord(const SegmentRecord& record);
  absl::Status SyncOwn();
  void OnNoRoom(const absl::Status& why);
  absl::Status Reserve(LogWrite write, Want want, std::optional<Reservation>& reservation);
  bool FindRoom(uint64_t blocks) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void SealFilling() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  uint64_t UsedPercent() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status WriteEntry(const LogWrite& write, Bytes data);
  void IndexEntry(LoggedVolume& volume, const LogWrite& write, uint32_t file);
  void Finish(LoggedVolume& volume, const Reservation& reservation);
  void SlowDown();
  // There is a batch to drain, and nobody is still writing to it.
  bool IsDue(absl::Duration now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Batch OldestBatch() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // When the oldest content of the own file is to be drained.
  absl::Duration DueTime() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status ReadLogged(const LogPlace& place, uint64_t begin, MutableBytes out);
  const WriteLogFile& FileOf(uint32_t number) const;
  absl::Status WaitAllUpToNow(absl::Duration deadline);
  // Batches that there ever were, and that there are no more: they go in their order.
  uint64_t sealed_batches() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return own_number_ + own_sealed_;
  }
  uint64_t freed_batches() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return sealed_batches() - sealed_.size() - (own_number_ - old_drained_);
  }
  uint64_t UsedBlocks() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  uint64_t LoggedBlocks() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void EraseEntries(const Batch& batch);
  void NoteFreed(const Batch& batch);

  const Options options_;
  Runtime& runtime_;
  OldLogs old_logs_;
  const uint32_t own_number_;  // of the epoch's file; older ones have smaller numbers
  BlockIndex index_;
  BufferPool buffers_;
  std::atomic<uint64_t> sequence_ = 0;

  mutable absl::Mutex mutex_;
  absl::CondVar room_wanted_;                  // the thread that makes room, for its next task
  absl::CondVar room_made_;                    // writes wait here
  absl::CondVar batch_due_;                    // who drains waits here
  absl::CondVar drained_;                      // who needs the log empty waits here
  std::unique_ptr<WriteLogFile> own_;          // of the thread that makes room
  std::atomic<WriteLogFile*> file_ = nullptr;  // own_, once it is there
  std::vector<Segment> segments_ ABSL_GUARDED_BY(mutex_);
  uint64_t made_ ABSL_GUARDED_BY(mutex_) = 0;  // segments that there are
  std::optional<uint64_t> ready_ ABSL_GUARDED_BY(mutex_);
  std::optional<uint64_t> filling_ ABSL_GUARDED_BY(mutex_);
  std::deque<uint64_t> sealed_ ABSL_GUARDED_BY(mutex_);
  bool draining_own_ ABSL_GUARDED_BY(mutex_) = false;  // the first of them
  absl::Duration last_write_ ABSL_GUARDED_BY(mutex_);
  int waiting_ ABSL_GUARDED_BY(mutex_) = 0;           // who needs the log empty
  uint64_t own_sealed_ ABSL_GUARDED_BY(mutex_) = 0;   // segments that were ever sealed
  uint32_t old_drained_ ABSL_GUARDED_BY(mutex_) = 0;  // older files that are gone
  std::map<uint64_t, std::unique_ptr<LoggedVolume>> volumes_ ABSL_GUARDED_BY(mutex_);
  bool enabled_ ABSL_GUARDED_BY(mutex_) = false;
  bool is_full_ ABSL_GUARDED_BY(mutex_) = false;  // storage takes no more segments
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status stuck_ ABSL_GUARDED_BY(mutex_);
  absl::Status aborted_ ABSL_GUARDED_BY(mutex_);
  std::atomic<bool> gave_up_ = false;  // set after aborted_
  std::unique_ptr<Thread> thread_;
};

}  // namespace baton
