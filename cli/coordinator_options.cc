#include "cli/coordinator_options.h"

#include <algorithm>

namespace baton {
namespace {

// When a lease is called stale: as a share of the time until takeover, but never because of one
// renewal that is late. (takeover is more than 3 x renew.)
constexpr double kStaleShare = 0.4;
constexpr double kStaleRenewals = 2.5;

}  // namespace

ha::CoordinatorOptions MakeCoordinatorOptions(const DaemonOptions& options,
                                              bool certificate_counts) {
  const PairOptions& pair = options.pair;
  ha::CoordinatorOptions result;
  result.node = options.node;
  for (const PeerAddress& peer : pair.peers) result.peers.push_back(peer.node);
  result.takeover = pair.takeover;
  result.has_fence = !pair.fence.program.empty();
  result.fence_delay = pair.fence.delay;
  result.certificate_counts = certificate_counts;
  if (!pair.watchdog_device.empty()) result.watchdog = pair.watchdog_time;
  result.suspect_after = pair.suspect_after;
  result.takeover_after = options.lease.takeover;
  result.stale_after =
      std::max(options.lease.takeover * kStaleShare, options.lease.renew * kStaleRenewals);
  result.look_limit = std::max(result.look_limit, 3 * options.lease.poll);
  return result;
}

}  // namespace baton
