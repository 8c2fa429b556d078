#include "engine/base/system_runtime.h"

#include <absl/time/clock.h>
#include <pthread.h>
#include <time.h>

#include <thread>

#include "engine/base/boot_time.h"
#include "engine/base/signals_blocked.h"

namespace baton {
namespace {

class SystemThread final : public Thread {
 public:
  explicit SystemThread(std::thread thread) : thread_(std::move(thread)) {}
  ~SystemThread() override { thread_.join(); }

 private:
  std::thread thread_;
};

}  // namespace

absl::Duration SystemRuntime::BootTime() const { return baton::BootTime(); }

absl::Time SystemRuntime::WallTime() const { return absl::Now(); }

std::unique_ptr<Thread> SystemRuntime::StartThread(const std::string& name,
                                                   std::function<void()> body) {
  const SignalsBlocked blocked;
  return std::make_unique<SystemThread>(std::thread([name, body = std::move(body)] {
    pthread_setname_np(pthread_self(), name.c_str());
    body();
  }));
}

void SystemRuntime::Wait(absl::CondVar& condition, absl::Mutex& mutex) { condition.Wait(&mutex); }

void SystemRuntime::WaitUntil(absl::CondVar& condition, absl::Mutex& mutex,
                              absl::Duration deadline) {
  if (BootTime() < deadline) waker_.Wait(condition, mutex, deadline);
}

}  // namespace baton
