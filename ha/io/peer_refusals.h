// What was refused, counted and, once a minute at most, said.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include "engine/base/log_limiter.h"
#include "engine/base/runtime.h"
#include "ha/io/peer_network.h"

namespace baton::ha {

// Thread-safe.
class PeerRefusals {
 public:
  enum class Kind {
    kKey,
    kHandshake,
    kPool,
    kProtocol,
    kName,
    kReplay,
    kGarbled,
    kLostConnection,
  };

  explicit PeerRefusals(Runtime& runtime);

  // `what`: who did what, for the log.
  void Count(Kind kind, const std::string& what);
  PeerCounters counters() const;

 private:
  static constexpr size_t kKinds = 8;
  uint64_t count(Kind kind) const;

  LogLimiter log_;
  std::atomic<uint64_t> counts_[kKinds] = {};
};

}  // namespace baton::ha
