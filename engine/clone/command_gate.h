// Whether commands are still taken.
#pragma once

#include <absl/status/status.h>

#include <atomic>

#include "engine/base/fault.h"
#include "engine/base/status.h"
#include "engine/clone/clone_locks.h"

namespace baton {

// Open until the engine stops, then closed for good. Thread-safe.
class CommandGate {
 public:
  explicit CommandGate(const Fault& fault) : fault_(fault) {}

  // Inside a command, so that the one before is finished and each later one finds it closed.
  void Close(const CloneLocks::Command&) { is_closed_ = true; }
  bool is_closed() const { return is_closed_; }
  // Aborted: it is closed, or the engine has met a fault.
  absl::Status Check() const {
    BATON_RETURN_IF_ERROR(fault_.Check());
    if (!is_closed_) return absl::OkStatus();
    return absl::AbortedError("the engine is stopping: no command is taken any more");
  }

 private:
  const Fault& fault_;
  std::atomic<bool> is_closed_{false};
};

}  // namespace baton
