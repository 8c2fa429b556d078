// A thread that does one thing after another.
#pragma once

#include <absl/base/thread_annotations.h>
#include <absl/synchronization/mutex.h>

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "engine/base/runtime.h"

namespace baton::ha {

// Thread-safe.
class WorkQueue {
 public:
  WorkQueue(Runtime& runtime, const std::string& name) : runtime_(runtime) {
    thread_ = runtime.StartThread(name, [this] { Run(); });
  }
  ~WorkQueue() { Stop(); }
  WorkQueue(const WorkQueue&) = delete;
  WorkQueue& operator=(const WorkQueue&) = delete;

  void Do(std::function<void()> job) {
    absl::MutexLock lock(&mutex_);
    jobs_.push_back(std::move(job));
    changed_.Signal();
  }
  // Waits for the job that is being done; others, and those of later calls, are dropped. By one
  // thread.
  void Stop() {
    {
      absl::MutexLock lock(&mutex_);
      stopping_ = true;
      changed_.Signal();
    }
    thread_.reset();
  }

 private:
  void Run() {
    while (std::function<void()> job = Next()) job();
  }
  std::function<void()> Next() {
    absl::MutexLock lock(&mutex_);
    while (jobs_.empty() && !stopping_) runtime_.Wait(changed_, mutex_);
    if (stopping_) return nullptr;
    std::function<void()> job = std::move(jobs_.front());
    jobs_.pop_front();
    return job;
  }

  Runtime& runtime_;
  absl::Mutex mutex_;
  absl::CondVar changed_;
  std::deque<std::function<void()>> jobs_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::unique_ptr<Thread> thread_;
};

}  // namespace baton::ha
