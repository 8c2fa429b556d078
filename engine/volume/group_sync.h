// Syncs of one file: shared among those who wait for one, and final when one fails.
#pragma once

#include <absl/base/thread_annotations.h>
#include <absl/status/status.h>
#include <absl/synchronization/mutex.h>

#include <atomic>
#include <cstdint>
#include <functional>

#include "engine/base/runtime.h"
#include "engine/base/storage.h"

namespace baton {

// One sync runs at a time; whoever calls meanwhile shares the next one. That is cheaper than one
// each, and necessary: the kernel reports a write-back error to one of two concurrent fdatasync
// calls and OK to the other.
//
// Thread-safe. After an error of a sync the file is not to be believed: nothing is synced again,
// and every Sync and Health returns the same DataLoss from then on.
class GroupSync {
 public:
  // `on_fault` is called at most once, from the thread whose sync failed, without a lock held, and
  // before any call returns the error: whoever acts on the error can know what it is.
  GroupSync(Runtime& runtime, File& file, std::function<void(const absl::Status&)> on_fault)
      : runtime_(runtime), file_(file), on_fault_(std::move(on_fault)) {}

  // OK: a sync that began after this call has succeeded.
  absl::Status Sync() ABSL_LOCKS_EXCLUDED(mutex_);

  // Writes, and the data is durable when it returns OK. By direct I/O that is one O_DSYNC write.
  // Through the page cache such a write would be told, as its own, of an error of writing back what
  // others wrote, and the next sync would not hear of it: there it is a write and a shared sync.
  absl::Status WriteDurable(uint64_t offset, Bytes data) ABSL_LOCKS_EXCLUDED(mutex_);

  // OK while no sync has failed. One atomic load.
  absl::Status Health() const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  bool MustLead() ABSL_LOCKS_EXCLUDED(mutex_);
  void Finish(const absl::Status& result) ABSL_LOCKS_EXCLUDED(mutex_);

  Runtime& runtime_;
  File& file_;
  const std::function<void(const absl::Status&)> on_fault_;

  std::atomic<bool> failed_ = false;  // set after failure_, never cleared
  mutable absl::Mutex mutex_;
  absl::CondVar finished_one_;
  absl::Status failure_ ABSL_GUARDED_BY(mutex_);
  bool running_ ABSL_GUARDED_BY(mutex_) = false;
  uint64_t started_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t finished_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace baton
