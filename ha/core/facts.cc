#include "ha/core/facts.h"

#include <algorithm>

namespace baton::ha {
namespace {

// Messages about epochs that this node has not seen; there is at most one, but for a peer gone mad.
constexpr size_t kMaxEarlyMessages = 16;

bool IsSame(const event::LeaseSeen& a, const event::LeaseSeen& b) {
  return a.epoch == b.epoch && a.node == b.node && a.holder == b.holder && a.counter == b.counter &&
         a.released == b.released;
}

bool IsOwnerState(State state) {
  return state == State::kRecovering || state == State::kOwner || state == State::kDraining;
}

}  // namespace

void Facts::Take(const event::LeaseSeen& seen) {
  if (lease_ && seen.epoch < lease_->record.epoch) return;
  looked_ = std::max(looked_, seen.began);
  if (lease_ && IsSame(seen, lease_->record)) {
    lease_->last_look = std::max(lease_->last_look, seen.began);
    return;
  }
  const bool is_new_epoch = !lease_ || seen.epoch != lease_->record.epoch;
  const absl::Duration epoch_seen = is_new_epoch ? now_ : lease_->epoch_seen;
  lease_ = {.record = seen, .epoch_seen = epoch_seen, .first_seen = now_, .last_look = seen.began};
  no_lease_since_.reset();
  // Whatever a fence command does or has done, the owner was alive after it had been started.
  fence_.counts = false;
  fence_.result.reset();
  if (is_new_epoch) ForgetEpoch();
}

void Facts::ForgetEpoch() {
  const uint64_t epoch = lease_->record.epoch;
  certificates_.erase(certificates_.begin(), certificates_.lower_bound({epoch, ""}));
  sealed_.erase(sealed_.begin(), sealed_.lower_bound({epoch, ""}));
  order_.reset();
}

void Facts::Remember(Messages& messages, uint64_t epoch, const std::string& owner) {
  if (messages.size() < kMaxEarlyMessages) messages.emplace(epoch, owner);
}

bool Facts::IsOwnerIn(const Messages& messages) const {
  return lease_ && messages.contains({epoch(), lease_->record.node});
}

void Facts::Take(const event::NoLease&) {
  if (lease_) return;
  looked_ = now_;
  if (!no_lease_since_) no_lease_since_ = now_;
}

void Facts::Take(const event::StorageHealth& health) {
  storage_ = health;
  if (!health.ok) looked_ = -absl::InfiniteDuration();
}

bool Facts::IsPeer(const std::string& node) const {
  return std::find(options_.peers.begin(), options_.peers.end(), node) != options_.peers.end();
}

void Facts::Take(const event::Heartbeat& heartbeat) {
  if (!IsPeer(heartbeat.node) || heartbeat.epoch < epoch()) return;
  peers_[heartbeat.node] = {.last = heartbeat, .heard = now_};
}

void Facts::Take(const event::Certificate& certificate) {
  if (certificate.epoch < epoch()) return;
  Remember(certificates_, certificate.epoch, certificate.node);
}

void Facts::Take(const event::StopAnswered& answer) {
  if (!answer.ok || answer.epoch < epoch()) return;
  Remember(sealed_, answer.epoch, answer.node);
}

void Facts::Take(const event::HandoverOffered& offer) {
  if (offer.epoch < epoch()) return;
  Remember(sealed_, offer.epoch, offer.node);
}

void Facts::Take(const event::OperatorTakeover& order) {
  if (order.epoch < epoch()) return;
  order_ = Order{.dead = order.owner_is_dead, .given = now_};
}

void Facts::NoteFenceStarted() {
  fence_ = {.running = true, .counts = true, .result = {}, .ended = {}};
}

void Facts::Take(const event::FenceEnded& ended) {
  if (!fence_.running) return;
  fence_.running = false;
  fence_.ended = now_;
  if (fence_.counts && lease_ && ended.node == lease_->record.node) fence_.result = ended;
}

const event::OwnerTimes& Facts::times() const {
  return lease_ && lease_->record.times ? *lease_->record.times : options_.times;
}

void Facts::Take(const event::FenceMonitored& monitored) {
  if (monitored.ok) {
    fence_unready_.erase(monitored.node);
  } else {
    fence_unready_[monitored.node] = monitored;
  }
}

const event::FenceMonitored* Facts::FenceUnready() const {
  return fence_unready_.empty() ? nullptr : &fence_unready_.begin()->second;
}

absl::Duration Facts::Unchanged() const {
  if (!lease_) return absl::ZeroDuration();
  return std::max(absl::ZeroDuration(), lease_->last_look - lease_->first_seen);
}

const Facts::Peer* Facts::OwnerHeard() const {
  if (!lease_) return nullptr;
  const auto found = peers_.find(lease_->record.node);
  if (found == peers_.end()) return nullptr;
  const event::Heartbeat& last = found->second.last;
  // A new process of that node says nothing of the one that owned the epoch.
  return last.epoch == epoch() && IsOwnerState(last.state) ? &found->second : nullptr;
}

absl::Duration Facts::OwnerSilentFor() const {
  if (!lease_) return absl::ZeroDuration();
  const Peer* owner = OwnerHeard();
  const absl::Duration heard = owner == nullptr ? lease_->epoch_seen : owner->heard;
  return now_ - std::max(heard, lease_->epoch_seen);
}

bool Facts::OwnerUnwell() const {
  const Peer* owner = OwnerHeard();
  return owner != nullptr && !owner->last.healthy && owner->last.state == State::kOwner &&
         !OwnerSilent();
}

bool Facts::Certified() const { return OwnerIs(Holder::kPredecessor) || IsOwnerIn(certificates_); }

bool Facts::SealedForThisNode() const { return IsOwnerIn(sealed_); }

bool Facts::Ordered() const { return order_ && now_ - order_->given < options_.order_lasts; }

const event::FenceEnded* Facts::FenceFailure() const {
  return fence_.result && !fence_.result->ok ? &*fence_.result : nullptr;
}

bool Facts::Hears(const std::string& node) const {
  const auto found = peers_.find(node);
  return found != peers_.end() && now_ - found->second.heard < options_.suspect_after;
}

bool Facts::HearsHealthy(const std::string& node) const {
  return Hears(node) && peers_.at(node).last.healthy;
}

bool Facts::HearsEligiblePeer() const {
  return std::any_of(peers_.begin(), peers_.end(), [this](const auto& peer) {
    return HearsHealthy(peer.first) && peer.second.last.eligible;
  });
}

std::string Facts::HealthyPeer() const {
  for (const auto& [node, peer] : peers_) {
    if (HearsHealthy(node)) return node;
  }
  return "";
}

std::string Facts::OtherTimes() const {
  for (const auto& [node, peer] : peers_) {
    if (Hears(node) && !peer.last.other_times.empty()) {
      return "node " + node + " " + peer.last.other_times;
    }
  }
  return "";
}

int Facts::Rank() const {
  return static_cast<int>(
      std::count_if(options_.peers.begin(), options_.peers.end(),
                    [this](const std::string& peer) { return peer < options_.node; }));
}

}  // namespace baton::ha
