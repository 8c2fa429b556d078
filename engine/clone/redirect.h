// The plugin that lets a volume's writes go to the write log instead of to its file.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/synchronization/mutex.h>

#include <atomic>
#include <memory>
#include <vector>

#include "engine/base/buffer_pool.h"
#include "engine/base/first_writes.h"
#include "engine/base/runtime.h"
#include "engine/clone/clone_run.h"
#include "engine/clone/known_data.h"
#include "engine/volume/io_path.h"
#include "engine/volume/range_lock.h"
#include "engine/volume/volume.h"
#include "engine/write_log/write_log.h"

namespace baton {

// In front of all other plugins of a source. A write goes to the log when the log has newer content
// of one of its blocks than the file, or when an extent that it touches is pending and the write is
// fit for it: of whole blocks, not longer than limits::kMaxLoggedBytes, over space that the file
// has, and no clone of the volume wants to fail writes. A write that is not of whole blocks, or
// longer, goes on to the plugins that preserve; where the log has something of its range, it goes
// to the log in pieces, the rest of its first and last block with it. A write over a hole, and a
// discard, wait until the log has nothing of their range, and go on.
//
// Thread-safe. A write to the log allocates nothing.
class Redirect final : public IoPlugin {
 public:
  // `merge_buffers`: of at least limits::kMaxLoggedBytes.
  Redirect(Runtime& runtime, WriteLog& log, BufferPool& merge_buffers,
           FirstWriteTimes& first_writes, std::shared_ptr<Volume> volume)
      : runtime_(runtime),
        log_(log),
        merge_buffers_(merge_buffers),
        first_writes_(first_writes),
        volume_(std::move(volume)),
        logged_(log.VolumeOf(volume_->id)),
        lock_(runtime) {}

  // Runs whose source the volume is.
  void AddRun(std::shared_ptr<CloneRun> run);
  void RemoveRun(const CloneRun& run);
  std::vector<std::shared_ptr<CloneRun>> Runs() const;

  const std::shared_ptr<Volume>& volume() const { return volume_; }
  const LoggedVolume& logged() const { return logged_; }

  absl::Status Read(VolumeIo& next, uint64_t offset, MutableBytes out) override;
  absl::Status Write(VolumeIo& next, uint64_t offset, Bytes data) override;
  absl::Status Flush(VolumeIo& next) override;
  absl::Status Discard(VolumeIo& next, uint64_t offset, uint64_t length_bytes) override;

 private:
  enum class Way {
    kFile,      // to the plugins behind, and the file
    kPreserve,  // likewise, and there an extent is copied before
    kLog,       // to the log, or, where that has no room, as kPreserve
    kLogOnly,   // to the log
    kAlone,  // with no other write to its blocks under way: to the log, merged with what is there,
             // or to the plugins behind once the log has nothing of the range
  };

  bool IsIdle() const;
  bool IsAnyActive() const;
  absl::StatusOr<Way> WayOf(uint64_t offset, Bytes data);
  absl::StatusOr<Way> WriteShared(VolumeIo& next, uint64_t offset, Bytes data);
  absl::StatusOr<Way> WriteAlone(VolumeIo& next, uint64_t offset, Bytes data);
  absl::StatusOr<bool> LogMerged(VolumeIo& next, uint64_t offset, Bytes data);
  absl::StatusOr<bool> LogPiece(VolumeIo& next, ByteRange piece, uint64_t offset, Bytes data);
  bool IsPending(uint64_t offset, uint64_t length_bytes) const;
  bool MayLog() const;
  absl::StatusOr<bool> HasSpace(uint64_t offset, uint64_t length_bytes);

  Runtime& runtime_;
  WriteLog& log_;
  BufferPool& merge_buffers_;
  FirstWriteTimes& first_writes_;
  const std::shared_ptr<Volume> volume_;
  LoggedVolume& logged_;
  // Shared by writes, exclusive while a range is drained: what is not logged comes before or after
  // what is.
  RangeLock lock_;
  std::atomic<uint64_t> begun_ = 0, ended_ = 0;  // writes that may come to be logged: see IsIdle
  KnownData known_data_;       // of the volume's file, since the last run was added
  mutable absl::Mutex mutex_;  // never held over I/O
  std::vector<std::shared_ptr<CloneRun>> runs_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace baton
