#include "ha/node/fencing.h"

#include <spdlog/spdlog.h>

#include <utility>

#include "engine/base/status.h"

namespace baton::ha {

Fencing::Fencing(Runtime& runtime, FenceCall fence, EventQueue& events)
    : fence_(std::move(fence)), events_(events), queue_(runtime, "fence") {}

void Fencing::Run(const action::RunFence& action) {
  spdlog::warn("fencing node {}", action.node);
  queue_.Do([this, node = action.node] {
    const absl::Status status =
        fence_ ? fence_(node) : absl::UnavailableError("no command is configured");
    events_.Post(event::FenceEnded{.node = node, .ok = status.ok(), .text = Message(status)});
  });
}

}  // namespace baton::ha
