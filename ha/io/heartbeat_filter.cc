#include "ha/io/heartbeat_filter.h"

#include <algorithm>

#include "ha/io/peer_settings.h"

namespace baton::ha {
namespace {

void CutText(std::string& text) {
  if (text.size() <= kMaxHeartbeatText) return;
  text.resize(kMaxHeartbeatText);
  // Not in the middle of a character of UTF-8: Protobuf takes nothing else.
  while (!text.empty() && (static_cast<unsigned char>(text.back()) & 0xC0) == 0x80) text.pop_back();
  if (!text.empty() && static_cast<unsigned char>(text.back()) >= 0xC0) text.pop_back();
}

}  // namespace

std::optional<Objection> HeartbeatFilter::Examine(const Heartbeat& heartbeat) {
  const PeerClaim claim{heartbeat.protocol(), heartbeat.pool_id(), heartbeat.node()};
  if (auto objection = ha::Examine(claim, peer_, identity_)) return objection;
  if (IsOld(heartbeat)) {
    return Objection{PeerRefusals::Kind::kReplay, "an old heartbeat of " + peer_};
  }
  if (heartbeat.instance() != instance_) {
    gone_.push_back(instance_);
    if (gone_.size() > kInstancesRemembered) gone_.pop_front();
    instance_ = heartbeat.instance();
  }
  sequence_ = heartbeat.sequence();
  return std::nullopt;
}

bool HeartbeatFilter::IsOld(const Heartbeat& heartbeat) const {
  if (heartbeat.instance() == instance_) return heartbeat.sequence() <= sequence_;
  return std::find(gone_.begin(), gone_.end(), heartbeat.instance()) != gone_.end();
}

void Bound(Heartbeat& heartbeat) {
  CutText(*heartbeat.mutable_health());
  CutText(*heartbeat.mutable_state());
  const int beyond = heartbeat.clones_size() - kMaxClonesPerHeartbeat;
  if (beyond > 0) heartbeat.mutable_clones()->DeleteSubrange(kMaxClonesPerHeartbeat, beyond);
  for (CloneProgress& clone : *heartbeat.mutable_clones()) {
    if (clone.state().size() > kMaxCloneStateText) clone.clear_state();
  }
}

}  // namespace baton::ha
