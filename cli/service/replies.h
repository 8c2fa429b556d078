// Responses as they are made.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <optional>
#include <utility>

#include "cli/control/control.pb.h"

namespace baton::control {

// A response without a result.
Response EmptyResponse();
// The answer that refuses a request.
Response Refusal(const absl::Status& status);
// Of a request of another version of the protocol; nullopt: it is ours.
std::optional<Response> RefusedVersion(const Request& request);

// Puts a result into its place in a response.
template <typename Result>
absl::Status Put(absl::StatusOr<Result> result, Result* place) {
  if (!result.ok()) return result.status();
  *place = *std::move(result);
  return absl::OkStatus();
}

}  // namespace baton::control
