#include "ha/node/fence_monitor.h"

#include <algorithm>
#include <utility>

#include "engine/base/status.h"

namespace baton::ha {
namespace {

// One that has just come is asked about after this long: what the agent looks for is there by then.
constexpr absl::Duration kFirstMonitor = absl::Seconds(2);

}  // namespace

FenceMonitor::FenceMonitor(Runtime& runtime, Options options, const PeerTable& peers,
                           EventQueue& events)
    : runtime_(runtime),
      options_(std::move(options)),
      peers_(peers),
      events_(events),
      queue_(runtime, "fence-monitor") {}

// What an agent says of peers that are not heard does not count.
bool FenceMonitor::IsDue(const std::string& node, const PeerTable::Peer& peer) {
  const absl::Duration now = runtime_.BootTime();
  const bool is_new = !next_.contains(node) || !peers_.IsHeard(peer.silence);
  if (is_new) next_[node] = now + std::min(kFirstMonitor, options_.every);
  if (asking_ || now < next_[node]) return false;
  next_[node] = now + options_.every;
  return true;
}

std::string FenceMonitor::NextDue() {
  const std::map<std::string, PeerTable::Peer> peers = peers_.All();
  std::string due;
  absl::MutexLock lock(&mutex_);
  for (const auto& [node, peer] : peers) {
    if (!IsDue(node, peer)) continue;
    asking_ = true;
    due = node;
  }
  return due;
}

void FenceMonitor::Tick() {
  if (options_.every == absl::InfiniteDuration()) return;
  const std::string node = NextDue();
  if (!node.empty()) queue_.Do([this, node] { Ask(node); });
}

void FenceMonitor::Ask(const std::string& node) {
  const absl::Duration begin = runtime_.BootTime();
  const absl::Status status = options_.ask(node);
  took_ns_ = absl::ToInt64Nanoseconds(runtime_.BootTime() - begin);
  events_.Post(event::FenceMonitored{.node = node, .ok = status.ok(), .text = Message(status)});
  absl::MutexLock lock(&mutex_);
  asking_ = false;
}

}  // namespace baton::ha
