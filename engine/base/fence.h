// The right to write: a controller's ownership of its epoch.
#pragma once

#include <absl/status/status.h>

namespace baton {

// Asked before a write is issued and again before it is acknowledged. Thread-safe, some 30 ns;
// waits where it has to look first, which is rare.
class Fence {
 public:
  virtual ~Fence() = default;
  // OK while this controller owns the epoch; Aborted once it does not (for good: it latches).
  virtual absl::Status Check() const = 0;
};

// For volumes that nobody contends for (tests, tools).
class OpenFence final : public Fence {
 public:
  absl::Status Check() const override { return absl::OkStatus(); }
};

}  // namespace baton
