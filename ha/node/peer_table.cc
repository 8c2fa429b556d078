#include "ha/node/peer_table.h"

#include <algorithm>

namespace baton::ha {

void PeerTable::Note(const Heartbeat& heartbeat) {
  absl::MutexLock lock(&mutex_);
  peers_[heartbeat.node()] = {.last = heartbeat, .heard = runtime_.BootTime()};
  changed_.SignalAll();
}

std::map<std::string, PeerTable::Peer> PeerTable::All() const {
  absl::MutexLock lock(&mutex_);
  const absl::Duration now = runtime_.BootTime();
  std::map<std::string, Peer> all;
  for (const auto& [name, entry] : peers_) {
    all[name] = {.last = entry.last, .silence = now - entry.heard};
  }
  return all;
}

std::optional<PeerTable::Peer> PeerTable::Find(const std::string& name) const {
  absl::MutexLock lock(&mutex_);
  const auto found = peers_.find(name);
  if (found == peers_.end()) return std::nullopt;
  return Peer{.last = found->second.last, .silence = runtime_.BootTime() - found->second.heard};
}

absl::Duration PeerTable::SilenceOf(const std::string& name) const {
  absl::MutexLock lock(&mutex_);
  const auto found = peers_.find(name);
  if (found == peers_.end()) return absl::InfiniteDuration();
  return runtime_.BootTime() - found->second.heard;
}

bool PeerTable::HearsLately(const std::string& name) const {
  return SilenceOf(name) < suspect_after_;
}

bool PeerTable::HearsEligible() const {
  absl::MutexLock lock(&mutex_);
  return std::any_of(peers_.begin(), peers_.end(), [this](const auto& peer) {
    return !IsLate(peer.second) && peer.second.last.eligible();
  });
}

bool PeerTable::HearsHealthy(const std::string& name) const {
  return std::any_of(peers_.begin(), peers_.end(), [&](const auto& peer) {
    return (name.empty() || peer.first == name) && !IsLate(peer.second) &&
           peer.second.last.health().empty();
  });
}

void PeerTable::AwaitHealthy(const std::string& name, absl::Duration deadline) {
  absl::MutexLock lock(&mutex_);
  while (!HearsHealthy(name) && !stopped_ && runtime_.BootTime() < deadline) {
    runtime_.WaitUntil(changed_, mutex_, deadline);
  }
}

void PeerTable::Stop() {
  absl::MutexLock lock(&mutex_);
  stopped_ = true;
  changed_.SignalAll();
}

}  // namespace baton::ha
