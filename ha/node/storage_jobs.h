// What waits for storage, which may hang for ever, and must not hang whoever asks.
#pragma once

#include <absl/base/thread_annotations.h>
#include <absl/status/status.h>
#include <absl/synchronization/mutex.h>

#include <functional>

#include "engine/base/runtime.h"
#include "ha/node/work_queue.h"

namespace baton::ha {

// A thread, "storage-calls", waits for it. Thread-safe.
class StorageJobs {
 public:
  explicit StorageJobs(Runtime& runtime) : runtime_(runtime), queue_(runtime, "storage-calls") {}

  // Has `work` done by that thread, after what was asked for before. Unavailable: it takes too
  // long; one that has begun may go on then, and must own what it uses.
  absl::Status Do(std::function<absl::Status()> work);

  // Nobody waits any more: what is not done yet is Unavailable.
  void StopWaiting();
  // Waits for the job that is being done.
  void Stop() { queue_.Stop(); }

 private:
  struct Job;
  void Run(Job& job);

  Runtime& runtime_;
  absl::Mutex mutex_;
  absl::CondVar changed_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  WorkQueue queue_;
};

}  // namespace baton::ha
