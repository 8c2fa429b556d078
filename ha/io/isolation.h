// A cut from all peers that ends by itself.
#pragma once

#include <absl/status/status.h>
#include <absl/time/time.h>

#include <atomic>
#include <cstdint>

#include "engine/base/runtime.h"

namespace baton::ha {

// Nobody has to be alive to end it: it is over when its time is. Thread-safe, without a lock.
class Isolation {
 public:
  explicit Isolation(Runtime& runtime) : runtime_(runtime) {}

  // From now on, in the place of an earlier time.
  void Begin(absl::Duration time) {
    until_ns_ = absl::ToInt64Nanoseconds(runtime_.BootTime() + time);
  }
  bool on() const {
    return until_ns_ > 0 && runtime_.BootTime() < absl::Nanoseconds(until_ns_.load());
  }
  static absl::Status Refusal() {
    return absl::UnavailableError("a drill has cut this node off from its peers");
  }

 private:
  Runtime& runtime_;
  std::atomic<int64_t> until_ns_ = 0;  // of BootTime()
};

}  // namespace baton::ha
