#include "cli/batond/coordinator_options.h"

#include <algorithm>

#include "ha/node/owner_times.h"

namespace baton {

ha::CoordinatorOptions MakeCoordinatorOptions(const DaemonOptions& options,
                                              bool certificate_counts) {
  const PairOptions& pair = options.pair;
  ha::CoordinatorOptions result;
  result.node = options.node;
  for (const PeerOptions& peer : pair.peers) result.peers.push_back(peer.node);
  result.takeover = pair.takeover;
  result.has_fence = !pair.fence.program.empty();
  result.fence_delay = pair.fence.delay;
  result.certificate_counts = certificate_counts;
  result.suspect_after = pair.suspect_after;
  result.times = ha::TimesForCoordinator(OwnerTimesOf(
      options.lease, pair.watchdog_device.empty() ? absl::ZeroDuration() : pair.watchdog_time));
  result.look_limit = std::max(result.look_limit, 3 * options.lease.poll);
  return result;
}

}  // namespace baton
