#include "ha/volumes/peer_opens.h"

#include <absl/container/flat_hash_set.h>

#include <algorithm>
#include <utility>

namespace baton::ha {

// An unnumbered change is one of a peer whose changes come in order.
bool PeerOpens::IsLate(uint64_t order, const Entry& entry) const {
  return order != 0 && order <= std::max(entry.order, set_order_);
}

bool PeerOpens::IsOfThisBoot(const peer_api::OpenChange& change) {
  if (boot_id_.empty()) boot_id_ = change.boot_id();
  return change.boot_id() == boot_id_;
}

bool PeerOpens::Open(const peer_api::OpenChange& change, Io io) {
  if (!IsOfThisBoot(change)) return false;
  Entry& entry = entries_[change.id()];
  if (IsLate(change.order(), entry)) return true;
  entry.order = change.order();
  if (entry.io == nullptr) entry.io = std::move(io);
  return true;
}

PeerOpens::Io PeerOpens::Close(const peer_api::OpenChange& change) {
  if (!IsOfThisBoot(change)) return nullptr;
  Entry& entry = entries_[change.id()];
  if (IsLate(change.order(), entry)) return nullptr;
  entry.order = change.order();
  return std::exchange(entry.io, nullptr);
}

std::vector<PeerOpens::Io> PeerOpens::Replace(const peer_api::OpenSet& set, Handles& opened) {
  const bool has_booted = set.boot_id() != boot_id_;
  if (!has_booted && set.order() < set_order_) return {};
  boot_id_ = set.boot_id();
  set_order_ = set.order();
  told_ = true;

  const absl::flat_hash_set<uint64_t> listed(set.ids().begin(), set.ids().end());
  std::vector<Io> closed;
  absl::erase_if(entries_, [&](auto& entry) {
    if (!has_booted && entry.second.order > set.order()) return false;
    if (listed.contains(entry.first) && entry.second.io != nullptr) return false;
    closed.push_back(std::move(entry.second.io));
    return true;
  });
  for (const uint64_t id : listed) {
    const auto handle = opened.find(id);
    if (handle == opened.end() || entries_.contains(id)) continue;
    entries_[id] = {.io = std::move(handle->second), .order = set.order()};
  }
  return closed;
}

// Not where a change has closed it: the request is late, and its handle ends with it.
void PeerOpens::NoteUse(uint64_t id, Io io) {
  const auto [entry, is_new] = entries_.try_emplace(id);
  if (is_new) entry->second.io = std::move(io);
}

PeerOpens::Io PeerOpens::Find(uint64_t id) const {
  const auto found = entries_.find(id);
  return found == entries_.end() ? nullptr : found->second.io;
}

}  // namespace baton::ha
