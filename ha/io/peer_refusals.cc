#include "ha/io/peer_refusals.h"

namespace baton::ha {

PeerRefusals::PeerRefusals(Runtime& runtime) : log_(runtime, 1, absl::Minutes(1)) {}

void PeerRefusals::Count(Kind kind, const std::string& what) {
  counts_[static_cast<size_t>(kind)].fetch_add(1, std::memory_order_relaxed);
  // A lost connection is no refusal; whoever follows connections says so.
  if (kind != Kind::kLostConnection) log_.Warn("between controllers, refused: {}", what);
}

uint64_t PeerRefusals::count(Kind kind) const {
  return counts_[static_cast<size_t>(kind)].load(std::memory_order_relaxed);
}

PeerCounters PeerRefusals::counters() const {
  return {.refused_keys = count(Kind::kKey),
          .failed_handshakes = count(Kind::kHandshake),
          .wrong_pool = count(Kind::kPool),
          .wrong_protocol = count(Kind::kProtocol),
          .wrong_name = count(Kind::kName),
          .replayed = count(Kind::kReplay),
          .garbled = count(Kind::kGarbled),
          .lost_connections = count(Kind::kLostConnection)};
}

}  // namespace baton::ha
