// A thread that does one thing after another.
#pragma once

#include <functional>
#include <string>
#include <utility>

#include "engine/base/runtime.h"
#include "ha/io/worker_pool.h"

namespace baton::ha {

// Thread-safe.
class WorkQueue {
 public:
  WorkQueue(Runtime& runtime, const std::string& name)
      : worker_(runtime, {.thread_name = name, .threads = 1},
                [](const std::function<void()>& job) { job(); }) {}

  void Do(std::function<void()> job) { worker_.Queue(std::move(job)); }
  // Waits for the job that is being done; others, and those of later calls, are dropped. By one
  // thread.
  void Stop() { worker_.Stop(); }

 private:
  WorkerPool<std::function<void()>> worker_;
};

}  // namespace baton::ha
