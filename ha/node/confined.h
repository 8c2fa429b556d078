// An object that one thread alone ever touches.
#pragma once

#include <functional>
#include <string>
#include <utility>

#include "engine/base/runtime.h"
#include "ha/io/worker_pool.h"

namespace baton::ha {

// A T and its thread: whoever wants something of the T leaves a job. Thread-safe.
template <typename T>
class Confined {
 public:
  template <typename... Args>
  Confined(Runtime& runtime, const std::string& thread, Args&&... args)
      : object_(std::forward<Args>(args)...),
        worker_(runtime, {.thread_name = thread, .threads = 1},
                [this](const std::function<void(T&)>& job) { job(object_); }) {}

  void Do(std::function<void(T&)> job) { worker_.Queue(std::move(job)); }
  // Waits for the job that is being done; others, and those of later calls, are dropped.
  void Stop() { worker_.Stop(); }

 private:
  T object_;  // goes after its thread
  WorkerPool<std::function<void(T&)>> worker_;
};

}  // namespace baton::ha
