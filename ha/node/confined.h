// An object that one thread alone ever touches.
#pragma once

#include <functional>
#include <string>
#include <utility>

#include "engine/base/runtime.h"
#include "ha/node/work_queue.h"

namespace baton::ha {

// A T and its thread: whoever wants something of the T leaves a job. Thread-safe.
template <typename T>
class Confined {
 public:
  template <typename... Args>
  Confined(Runtime& runtime, const std::string& thread, Args&&... args)
      : object_(std::forward<Args>(args)...), queue_(runtime, thread) {}

  void Do(std::function<void(T&)> job) {
    queue_.Do([this, job = std::move(job)] { job(object_); });
  }
  // Waits for the job that is being done; others, and those of later calls, are dropped.
  void Stop() { queue_.Stop(); }

 private:
  T object_;  // goes after its thread
  WorkQueue queue_;
};

}  // namespace baton::ha
