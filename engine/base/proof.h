// The classes of proof that the owner of an epoch cannot write any more.
#pragma once

#include <optional>
#include <string>

namespace baton {

// The strongest first.
enum class Proof {
  kNoneNeeded,   // there never was an owner
  kHandover,     // it has sealed its epoch and says so
  kCertificate,  // its process was reaped
  kFence,        // its node was fenced, and the lease had not been renewed for some time
  kOperator,     // likewise, and a person says that the node is off
  kWatchdog,     // lease and watchdog have run out
  kLease,        // the lease has run out
};

// "none needed", "handover", …: as events, heartbeats and `status` have it.
std::string Name(Proof proof);
// nullopt: no class has that name.
std::optional<Proof> ParseProof(const std::string& name);

}  // namespace baton
