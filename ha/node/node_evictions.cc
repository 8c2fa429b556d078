#include "ha/node/node_evictions.h"

#include <absl/strings/str_join.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <optional>

#include "engine/base/status.h"

namespace baton::ha {
namespace {

// Of a command, for what the owner had begun.
constexpr absl::Duration kDrainPatience = absl::Seconds(8);
constexpr absl::Duration kDrainLook = absl::Milliseconds(100);
// Less than a node waits for the answer to what it tells (remote_volumes.cc).
constexpr absl::Duration kReadmitPatience = absl::Seconds(1);

absl::Status NotOwner() { return absl::AbortedError("the pool changes its owner: ask again"); }

}  // namespace

absl::Status NodeEvictions::CheckEvictable(const std::string& node) const {
  if (node == nodes_.self) {
    return Error(absl::StatusCode::kFailedPrecondition,
                 "node {} owns the pool, so nothing of it waits elsewhere: evict another node, or "
                 "hand the pool over first (`baton failover`)",
                 node);
  }
  const std::vector<std::string>& peers = nodes_.peers;
  if (std::find(peers.begin(), peers.end(), node) != peers.end()) return absl::OkStatus();
  std::vector<std::string> names = {nodes_.self};
  names.insert(names.end(), peers.begin(), peers.end());
  return Error(absl::StatusCode::kNotFound, "there is no node {}: the nodes of this pool are {}",
               node, absl::StrJoin(names, ", "));
}

// The record comes first: who is told of an eviction ends its mount, which must not be for one that
// a crash undoes. Whatever the next owner finds of it is enough, because the command has not said
// OK before nothing of the node runs here any more.
absl::Status NodeEvictions::Evict(Engine& engine, const std::string& node) {
  BATON_RETURN_IF_ERROR(CheckEvictable(node));
  uint64_t id = 0;
  {
    SleepLock::Guard guard(changes_);
    // Not before it is known here who is evicted already.
    if (!around_.served.serves()) return NotOwner();
    BATON_ASSIGN_OR_RETURN(const EvictionRecord eviction, engine.EvictNode(node));
    BATON_RETURN_IF_ERROR(around_.served.Evict(eviction));
    id = eviction.id();
  }
  spdlog::warn("node {} is evicted: what was asked in its mount before is refused", node);
  BATON_RETURN_IF_ERROR(AwaitEndOfForwarded(node));
  SleepLock::Guard guard(changes_);
  const bool in_force = around_.served.EvictionOfPeer(node) == id;
  // Asked last: at the end of the epoch no eviction is known there any more.
  if (!around_.served.serves()) return NotOwner();
  // A mount that was made anew meanwhile keeps what it has got.
  return in_force ? engine.DropLocks(node) : absl::OkStatus();
}

absl::Status NodeEvictions::AwaitEndOfForwarded(const std::string& node) {
  const absl::Duration deadline = runtime_.BootTime() + kDrainPatience;
  while (!around_.network.EndForwarded(node, kDrainLook)) {
    if (runtime_.BootTime() >= deadline) {
      return Error(absl::StatusCode::kFailedPrecondition,
                   "node {0} is evicted and nothing new of it begins, but requests of it that had "
                   "begun are still under way at the storage, and may take effect: look at the "
                   "storage, and ask again (`baton node evict {0}`) until this is done",
                   node);
    }
    if (around_.epoch.ending()) return NotOwner();
  }
  return absl::OkStatus();
}

absl::StatusOr<peer_api::Answer> NodeEvictions::AnswerOpenSet(const std::string& peer,
                                                              const peer_api::Call& call) {
  const peer_api::OpenSet& set = call.open_set();
  const uint64_t eviction = around_.served.EvictionOfPeer(peer);
  const bool ends = eviction != 0 && set.ended_eviction() == eviction && set.ids().empty();
  if (ends) BATON_RETURN_IF_ERROR(Readmit(peer, eviction));
  return around_.served.Answer(peer, call);
}

// A request of the old mount may still be on its way, in a connection that was slower than the one
// that this came by. It is over, with that connection, before the node is served again.
absl::Status NodeEvictions::Readmit(const std::string& peer, uint64_t eviction) {
  if (!around_.network.EndForwarded(peer, kReadmitPatience)) {
    return absl::AbortedError("requests of this node are still under way");
  }
  SleepLock::Guard guard(changes_);
  // The node has told it twice, and the other call has ended the eviction: it may hold locks again.
  if (around_.served.EvictionOfPeer(peer) != eviction) return absl::OkStatus();
  BATON_RETURN_IF_ERROR(around_.services.Readmit(peer, eviction));
  around_.served.Readmit(peer, eviction);
  spdlog::info("node {} is served again: nothing is open in its mount any more", peer);
  return absl::OkStatus();
}

std::vector<std::string> NodeEvictions::Known(const Ownership& ownership) const {
  if (ownership.is_owner) return around_.served.Evicted();
  const std::optional<PeerTable::Peer> owner = around_.peers.Find(ownership.owner);
  if (!owner || !ownership.serves) return {};
  return {owner->last.evicted().begin(), owner->last.evicted().end()};
}

}  // namespace baton::ha
