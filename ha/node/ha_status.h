// What a controller knows of the pair: for `status`.
#pragma once

#include <absl/status/status.h>
#include <absl/time/time.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/base/proof.h"
#include "engine/standby_view.h"
#include "ha/core/events.h"
#include "ha/core/takeover_forecast.h"
#include "ha/io/peer_network.h"

namespace baton::ha {

struct PeerStatus {
  std::string name;
  bool connected = false;  // calls to it are possible
  absl::Duration heard =
      absl::InfiniteDuration();  // since its last heartbeat; InfiniteDuration: never
  bool is_heard = false;         // PeerTable::Hears
  bool owner = false;
  std::string state;  // of its coordinator
  uint64_t epoch = 0;
  std::string health;    // empty: healthy
  bool evicted = false;  // says the owner
  std::string trouble;   // PeerNetwork::Trouble
};

// Who owns the pool, as far as this node can tell.
struct Ownership {
  bool is_owner = false;       // this node serves the pool
  bool serves = false;         // `owner` serves `epoch`, and this node can tell
  std::string state;           // of the coordinator
  std::string owner;           // by the lease; empty: nobody
  uint64_t epoch = 0;          // of the owner
  std::optional<Proof> proof;  // by which that epoch was claimed, where it is known
  absl::Duration lease_age;    // since the record was seen to change
  // From a claim until the next owner would serve, as the owner expects; zero: it does not say.
  absl::Duration recovery;
};

struct HaStatus : Ownership {
  std::string takeover;                    // auto, fenced-only, manual
  std::vector<action::RaiseAlarm> alarms;  // that are raised
  std::vector<PeerStatus> peers;
  absl::Status storage;
  absl::Status shortage;  // of descriptors: the storage cannot be looked at
  PeerCounters counters;
  std::optional<ViewLag> lag;  // of a standby
  std::vector<WarmStatus> warm;
  std::vector<TakeoverForecast> forecasts;  // empty: there is no owner
};

}  // namespace baton::ha
