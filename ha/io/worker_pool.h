// Threads that carry out what is queued.
#pragma once

#include <absl/base/thread_annotations.h>
#include <absl/synchronization/mutex.h>

#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/base/runtime.h"

namespace baton::ha {

// Jobs are begun in the order in which they were queued, as many at a time as there are threads.
// How many may wait is up to the callers of Queue. Thread-safe.
template <typename Job>
class WorkerPool {
 public:
  struct Options {
    std::string thread_name;  // at most 15 characters
    int threads = 1;
  };
  // Called from any of the threads, with no lock held.
  using Work = std::function<void(Job job)>;

  // `runtime` outlives the pool.
  WorkerPool(Runtime& runtime, const Options& options, Work work)
      : runtime_(runtime), work_(std::move(work)) {
    for (int i = 0; i < options.threads; ++i) {
      threads_.push_back(runtime_.StartThread(options.thread_name, [this] { Run(); }));
    }
  }
  ~WorkerPool() { Stop(); }
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  // Never waits.
  void Queue(Job job) {
    absl::MutexLock lock(&mutex_);
    jobs_.push_back(std::move(job));
    queued_.Signal();
  }
  // Jobs that have not begun.
  size_t waiting() const {
    absl::MutexLock lock(&mutex_);
    return jobs_.size();
  }
  // Waits for the jobs that have begun. No other one begins any more. By one thread at a time.
  void Stop() {
    {
      absl::MutexLock lock(&mutex_);
      stopping_ = true;
      queued_.SignalAll();
    }
    threads_.clear();
  }

 private:
  void Run() {
    while (std::optional<Job> job = Next()) work_(*std::move(job));
  }
  // Nothing: it is the end.
  std::optional<Job> Next() {
    absl::MutexLock lock(&mutex_);
    while (jobs_.empty() && !stopping_) runtime_.Wait(queued_, mutex_);
    if (stopping_) return std::nullopt;
    std::optional<Job> job(std::move(jobs_.front()));
    jobs_.pop_front();
    return job;
  }

  Runtime& runtime_;
  const Work work_;
  mutable absl::Mutex mutex_;
  absl::CondVar queued_;
  std::deque<Job> jobs_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::unique_ptr<Thread>> threads_;
};

}  // namespace baton::ha
