#include "ha/node/coordinator_loop.h"

namespace baton::ha {
namespace {

constexpr absl::Duration kTick = absl::Milliseconds(50);

}  // namespace

void CoordinatorLoop::Start() {
  thread_ = runtime_.StartThread("coordinator", [this] { Run(); });
}

void CoordinatorLoop::Stop() {
  events_.Stop();
  thread_.reset();
}

void CoordinatorLoop::Run() {
  while (true) {
    for (const Event& event : events_.Take(runtime_.BootTime() + kTick)) conductor_->Step(event);
    if (events_.stopped()) return;
    conductor_->Tick();
  }
}

}  // namespace baton::ha
