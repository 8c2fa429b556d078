// The thread that decides.
#pragma once

#include <memory>
#include <utility>

#include "engine/base/runtime.h"
#include "ha/node/conductor.h"
#include "ha/node/event_queue.h"

namespace baton::ha {

// A thread, "coordinator", has the conductor for itself. Thread-safe.
class CoordinatorLoop {
 public:
  // The references outlive this.
  CoordinatorLoop(Runtime& runtime, EventQueue& events, std::unique_ptr<Conductor> conductor)
      : runtime_(runtime), events_(events), conductor_(std::move(conductor)) {}
  ~CoordinatorLoop() { Stop(); }
  CoordinatorLoop(const CoordinatorLoop&) = delete;
  CoordinatorLoop& operator=(const CoordinatorLoop&) = delete;

  void Start();
  // Returns when the thread has ended.
  void Stop();

 private:
  void Run();

  Runtime& runtime_;
  EventQueue& events_;
  const std::unique_ptr<Conductor> conductor_;  // the thread's
  std::unique_ptr<Thread> thread_;
};

}  // namespace baton::ha
