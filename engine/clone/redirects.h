// The volumes whose writes may go to the write log.
#pragma once

#include <absl/status/status.h>
#include <absl/synchronization/mutex.h>

#include <map>
#include <memory>

#include "engine/base/buffer_pool.h"
#include "engine/base/first_writes.h"
#include "engine/base/limits.h"
#include "engine/base/runtime.h"
#include "engine/clone/clone_locks.h"
#include "engine/clone/redirect.h"
#include "engine/volume/volume_table.h"
#include "engine/write_log/write_log.h"

namespace baton {

// Changes only inside a command. Thread-safe.
class Redirects {
 public:
  Redirects(Runtime& runtime, WriteLog& log, const VolumeTable& volumes)
      : runtime_(runtime),
        log_(log),
        volumes_(volumes),
        merge_buffers_(runtime, limits::kMergeBuffers, limits::kMaxLoggedBytes) {}

  // Volumes of which earlier epochs have left something in their logs. Before there is I/O.
  void Restore(const CloneLocks::Command&);
  // Before the run is active.
  void Add(const CloneLocks::Command&, std::shared_ptr<CloneRun> run);
  // The run is not active any more, or nothing of it is pending. With the last run of a volume what
  // the log has of it is drained, and the volume's path is as if there were no log. Where storage
  // does not take it, the log goes on to have it.
  void Remove(const CloneLocks::Command&, const CloneRun& run);
  // The end of Remove, for a volume without active runs: OK when there is no redirect of it.
  absl::Status Release(const CloneLocks::Command&, uint64_t volume_id);
  // The log has nothing of the volume when it returns OK, if the caller keeps writes away.
  absl::Status Settle(const Volume& volume) const;

  // Null: no write of it is in the log, or the volume is gone.
  std::shared_ptr<Redirect> Find(uint64_t volume_id) const;

  // Of all volumes.
  FirstWrites CountFirstWrites() const { return first_writes_.Load(); }

 private:
  std::shared_ptr<Redirect> Install(const std::shared_ptr<Volume>& volume);
  absl::Status Retire(Redirect& redirect) const;

  Runtime& runtime_;
  WriteLog& log_;
  const VolumeTable& volumes_;
  BufferPool merge_buffers_;
  FirstWriteTimes first_writes_;
  mutable absl::Mutex mutex_;
  std::map<uint64_t, std::shared_ptr<Redirect>> redirects_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace baton
