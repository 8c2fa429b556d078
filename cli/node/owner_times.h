// The times of a lease as the coordinator and the peers are told them.
#pragma once

#include <string>

#include "engine/meta/lease_times.h"
#include "ha/core/events.h"
#include "ha/io/peer.pb.h"

namespace baton {

ha::event::OwnerTimes TimesForCoordinator(const OwnerTimes& owner);
void AddTimes(const OwnerTimes& own, ha::Heartbeat& heartbeat);

// What of the times of the heartbeat's sender is not as here, for an operator: "has lease.takeover
// 1.1s, node NODE 5s; …". Empty: nothing, or it does not tell.
std::string OtherTimes(const ha::Heartbeat& heartbeat, const OwnerTimes& own,
                       const std::string& node);

}  // namespace baton
