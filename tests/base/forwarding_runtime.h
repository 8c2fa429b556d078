// The real runtime, for tests that change a part of it.
#pragma once

#include "engine/base/system_runtime.h"

namespace baton {

class ForwardingRuntime : public Runtime {
 public:
  absl::Duration BootTime() const override { return system_.BootTime(); }
  absl::Time WallTime() const override { return system_.WallTime(); }
  std::unique_ptr<Thread> StartThread(const std::string& name,
                                      std::function<void()> body) override {
    return system_.StartThread(name, std::move(body));
  }
  void Wait(absl::CondVar& condition, absl::Mutex& mutex) override {
    system_.Wait(condition, mutex);
  }
  void WaitUntil(absl::CondVar& condition, absl::Mutex& mutex, absl::Duration deadline) override {
    system_.WaitUntil(condition, mutex, deadline);
  }

 private:
  SystemRuntime system_;
};

}  // namespace baton
