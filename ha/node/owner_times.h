// The times of a lease as the coordinator and the peers are told them.
#pragma once

#include <absl/time/time.h>

#include <string>

#include "engine/lease/lease_times.h"
#include "ha/core/events.h"
#include "ha/io/peer.pb.h"

namespace baton::ha {

// For how long at most a change that was sent to an owner, whose connection was lost before the
// answer, may still take effect: until its connection is gone at that end, too, so that nothing
// arrives there any more, and what has arrived is done or that owner has ended. `owner`: by which
// it is judged.
absl::Duration LongestDoubt(const OwnerTimes& owner);

event::OwnerTimes TimesForCoordinator(const OwnerTimes& owner);
void AddTimes(const OwnerTimes& own, Heartbeat& heartbeat);

// What of the times of the heartbeat's sender is not as here, for an operator: "has lease.takeover
// 1.1s, node NODE 5s; …". Empty: nothing, or it does not tell.
std::string OtherTimes(const Heartbeat& heartbeat, const OwnerTimes& own, const std::string& node);

}  // namespace baton::ha
