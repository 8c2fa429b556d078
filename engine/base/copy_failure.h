// An error of a host's request that comes from a clone, not from the volume that was asked for.
#pragma once

#include <absl/status/status.h>
#include <absl/strings/cord.h>

namespace baton {

inline constexpr char kCopyFailureUrl[] = "baton/copy-failure";

// `status`, which is not OK, says from now on that a copy for a clone failed: another controller
// would meet the same.
inline absl::Status AsCopyFailure(absl::Status status) {
  status.SetPayload(kCopyFailureUrl, absl::Cord("1"));
  return status;
}

inline bool IsCopyFailure(const absl::Status& status) {
  return status.GetPayload(kCopyFailureUrl).has_value();
}

}  // namespace baton
