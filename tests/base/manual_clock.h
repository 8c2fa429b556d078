// A runtime for what asks for the time alone.
#pragma once

#include "engine/base/runtime.h"

namespace baton {

// Time is what the test says; who waits has waited. There are no threads.
class ManualClock final : public Runtime {
 public:
  absl::Duration BootTime() const override {
    ++looks;
    return now;
  }
  absl::Time WallTime() const override { return absl::UnixEpoch() + now; }
  std::unique_ptr<Thread> StartThread(const std::string&, std::function<void()>) override {
    return nullptr;
  }
  void Wait(absl::CondVar&, absl::Mutex&) override {}
  void WaitUntil(absl::CondVar&, absl::Mutex&, absl::Duration deadline) override { now = deadline; }

  absl::Duration now = absl::Seconds(1000);
  mutable int looks = 0;  // at BootTime
};

}  // namespace baton
