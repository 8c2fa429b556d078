#include "ha/core/options.h"

#include <algorithm>

#include "engine/base/status.h"

namespace baton::ha {
namespace {

absl::Status CheckNames(const CoordinatorOptions& options) {
  std::vector<std::string> names = options.peers;
  names.push_back(options.node);
  if (std::ranges::find(names, kDrainName) != names.end()) {
    return Error(absl::StatusCode::kInvalidArgument,
                 "no node may have the name {}: `baton pool drain` has it", kDrainName);
  }
  std::sort(names.begin(), names.end());
  const auto twice = std::adjacent_find(names.begin(), names.end());
  if (twice == names.end()) return absl::OkStatus();
  return Error(absl::StatusCode::kInvalidArgument, "two nodes have the name {}", *twice);
}

}  // namespace

absl::Status CheckCoordinatorOptions(const CoordinatorOptions& options) {
  const auto refuse = [](const char* rule) {
    return Error(absl::StatusCode::kInvalidArgument, "times of the takeover: {}", rule);
  };
  if (options.suspect_after <= absl::ZeroDuration()) return refuse("suspect must be positive");
  if (options.suspect_after >= options.times.takeover_after) {
    return refuse("suspect must be less than the lease's takeover");
  }
  if (options.times.stale_after >= options.times.takeover_after) {
    return refuse("stale must be less than the lease's takeover");
  }
  if (options.fence_delay < absl::ZeroDuration()) return refuse("fence delay must not be negative");
  if (options.times.watchdog < absl::ZeroDuration()) return refuse("watchdog must not be negative");
  if (options.hear_peer > options.peer_claims) {
    return refuse("a peer must have time to claim once it is heard");
  }
  return CheckNames(options);
}

}  // namespace baton::ha
