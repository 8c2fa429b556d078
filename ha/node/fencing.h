// Turns nodes off.
#pragma once

#include <absl/status/status.h>

#include <functional>
#include <string>

#include "engine/base/runtime.h"
#include "ha/core/events.h"
#include "ha/node/event_queue.h"
#include "ha/node/work_queue.h"

namespace baton::ha {

// Turns a node off, or asks whether that could be done. OK: it is confirmed.
using FenceCall = std::function<absl::Status(const std::string& node)>;

// A thread, "fence", runs the command. Thread-safe.
class Fencing {
 public:
  // `fence` empty: none is configured. `events` outlives this.
  Fencing(Runtime& runtime, FenceCall fence, EventQueue& events);

  // FenceEnded follows.
  void Run(const action::RunFence& action);
  // Waits for the command that runs.
  void Stop() { queue_.Stop(); }

 private:
  const FenceCall fence_;
  EventQueue& events_;
  WorkQueue queue_;
};

}  // namespace baton::ha
