// Which heartbeats of one peer are believed.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <utility>

#include "ha/io/hello.h"
#include "ha/io/peer.pb.h"

namespace baton::ha {

// A heartbeat counts once, and only while no newer one of the same process, and none of a newer
// process, was seen: one that was recorded and is played again says nothing. Not thread-safe.
class HeartbeatFilter {
 public:
  // `identity` outlives it.
  HeartbeatFilter(std::string peer, const PeerIdentity& identity)
      : peer_(std::move(peer)), identity_(identity) {}

  // nullopt: it is new and fits.
  std::optional<Objection> Examine(const Heartbeat& heartbeat);

 private:
  static constexpr size_t kInstancesRemembered = 64;

  bool IsOld(const Heartbeat& heartbeat) const;

  const std::string peer_;
  const PeerIdentity& identity_;
  uint64_t instance_ = 0;
  uint64_t sequence_ = 0;
  std::deque<uint64_t> gone_;  // instances that another one has followed
};

// Cuts what is too long for a heartbeat.
void Bound(Heartbeat& heartbeat);

}  // namespace baton::ha
