// Threads for writes that go side by side. Internal to PosixStorage.
#pragma once

#include <absl/base/thread_annotations.h>
#include <absl/synchronization/mutex.h>

#include <deque>
#include <span>
#include <thread>
#include <vector>

#include "engine/base/storage.h"

namespace baton {

// Plain writes of several threads, not kernel AIO: a process with an AIO context takes two grace
// periods of RCU longer to end, some 45 ms in which its successor has to wait, and like those of
// AIO they are over when the process is. The caller writes as well, and whatever no helper has
// begun, so that a call never waits for a helper to be free. Helpers are started when they are
// wanted first, and kept. Thread-safe.
class SideWriters {
 public:
  static constexpr size_t kMaxHelpers = 16;

  SideWriters() = default;
  ~SideWriters();
  SideWriters(const SideWriters&) = delete;
  SideWriters& operator=(const SideWriters&) = delete;

  // Durable writes, begun at once as far as there are helpers. Returns when none is in flight any
  // more; of several errors the first one in the order of `writes`.
  absl::Status WriteAll(std::span<const SideWrite> writes);

 private:
  struct Call;
  struct Job {
    const SideWrite* write = nullptr;
    Call* call = nullptr;
    absl::Status result;
  };
  // Of one WriteAll, on its stack.
  struct Call {
    absl::CondVar done;
    size_t unfinished = 0;
  };

  void Enqueue(std::span<Job> jobs) ABSL_LOCKS_EXCLUDED(mutex_);
  Job* TakeOwn(const Call& call) ABSL_LOCKS_EXCLUDED(mutex_);
  void Finish(Job& job, absl::Status result) ABSL_LOCKS_EXCLUDED(mutex_);
  void StartHelper() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Help();

  absl::Mutex mutex_;
  absl::CondVar wanted_;
  std::deque<Job*> waiting_ ABSL_GUARDED_BY(mutex_);
  size_t idle_ ABSL_GUARDED_BY(mutex_) = 0;
  bool ending_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::thread> helpers_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace baton
