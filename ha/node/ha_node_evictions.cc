// Nodes whose requests are refused, because an operator wants that nothing of before takes effect.
#include <absl/strings/str_join.h>
#include <spdlog/spdlog.h>

#include <vector>

#include "engine/base/status.h"
#include "ha/node/ha_node.h"

namespace baton::ha {
namespace {

// Of a command, for what the owner had begun.
constexpr absl::Duration kDrainPatience = absl::Seconds(8);
constexpr absl::Duration kDrainLook = absl::Milliseconds(100);
// Less than a node waits for the answer to what it tells (remote_volumes.cc).
constexpr absl::Duration kReadmitPatience = absl::Seconds(1);

}  // namespace

absl::Status HaNode::CheckEvictable(const std::string& node) const {
  if (node == options_.identity.node) {
    return Error(absl::StatusCode::kFailedPrecondition,
                 "node {} owns the pool, so nothing of it waits elsewhere: evict another node, or "
                 "hand the pool over first (`baton failover`)",
                 node);
  }
  if (remotes_.contains(node)) return absl::OkStatus();
  std::vector<std::string> names = {options_.identity.node};
  for (const auto& [peer, volumes] : remotes_) names.push_back(peer);
  return Error(absl::StatusCode::kNotFound, "there is no node {}: the nodes of this pool are {}",
               node, absl::StrJoin(names, ", "));
}

// The record comes first: who is told of an eviction ends its mount, which must not be for one that
// a crash undoes. Whatever the next owner finds of it is enough, because the command has not said
// OK before nothing of the node runs here any more.
absl::Status HaNode::EvictNode(Engine& engine, const std::string& node) {
  BATON_RETURN_IF_ERROR(CheckEvictable(node));
  uint64_t id = 0;
  {
    SleepLock::Guard guard(evictions_);
    // Not before it is known here who is evicted already.
    if (!served_.serves()) return absl::AbortedError("the pool changes its owner: ask again");
    BATON_ASSIGN_OR_RETURN(const EvictionRecord eviction, engine.EvictNode(node));
    BATON_RETURN_IF_ERROR(served_.Evict(eviction));
    id = eviction.id();
  }
  spdlog::warn("node {} is evicted: what was asked in its mount before is refused", node);
  BATON_RETURN_IF_ERROR(AwaitEndOfForwarded(node));
  SleepLock::Guard guard(evictions_);
  // A mount that was made anew meanwhile keeps what it has got.
  if (served_.EvictionOfPeer(node) != id) return absl::OkStatus();
  return engine.DropLocks(node);
}

absl::Status HaNode::AwaitEndOfForwarded(const std::string& node) {
  const absl::Duration deadline = runtime_.BootTime() + kDrainPatience;
  while (!network_->EndForwarded(node, kDrainLook)) {
    if (runtime_.BootTime() >= deadline) {
      return Error(absl::StatusCode::kFailedPrecondition,
                   "node {0} is evicted and nothing new of it begins, but requests of it that had "
                   "begun are still under way at the storage, and may take effect: look at the "
                   "storage, and ask again (`baton node evict {0}`) until this is done",
                   node);
    }
    absl::MutexLock lock(&mutex_);
    if (stopping_ || sealing_) {
      return absl::AbortedError("the pool changes its owner: ask again");
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<peer_api::Answer> HaNode::AnswerOpenSet(const std::string& peer,
                                                       const peer_api::Call& call) {
  const peer_api::OpenSet& set = call.open_set();
  const uint64_t eviction = served_.EvictionOfPeer(peer);
  const bool ends = eviction != 0 && set.ended_eviction() == eviction && set.ids().empty();
  if (ends) BATON_RETURN_IF_ERROR(Readmit(peer, eviction));
  return served_.Answer(peer, call);
}

// A request of the old mount may still be on its way, in a connection that was slower than the one
// that this came by. It is over, with that connection, before the node is served again.
absl::Status HaNode::Readmit(const std::string& peer, uint64_t eviction) {
  if (!network_->EndForwarded(peer, kReadmitPatience)) {
    return absl::AbortedError("requests of this node are still under way");
  }
  SleepLock::Guard guard(evictions_);
  BATON_RETURN_IF_ERROR(hooks_.readmit(peer, eviction));
  served_.Readmit(peer, eviction);
  spdlog::info("node {} is served again: nothing is open in its mount any more", peer);
  return absl::OkStatus();
}

// By a heartbeat of the owner. Whoever tells it what is open here learns the rest.
void HaNode::NoteEvictions(const Heartbeat& heartbeat) {
  if (!heartbeat.owner()) return;
  for (const std::string& node : heartbeat.evicted()) {
    if (node == options_.identity.node) NoteConnected(heartbeat.node());
  }
}

// As the owner says, as long as it is one.
std::vector<std::string> HaNode::EvictedNodes(const HaStatus& status) const {
  if (status.is_owner) return served_.Evicted();
  absl::MutexLock lock(&mutex_);
  const auto owner = peers_.find(status.owner);
  if (owner == peers_.end() || !status.serves) return {};
  const auto& evicted = owner->second.last.evicted();
  return {evicted.begin(), evicted.end()};
}

// True: this process ends.
bool HaNode::EndIfEvicted() {
  const absl::Status evicted = options_.router.evicted();
  if (!evicted.ok()) hooks_.fault(evicted);
  return !evicted.ok();
}

}  // namespace baton::ha
