// Requests that did not leave this process.
#pragma once

#include <absl/status/status.h>
#include <absl/strings/cord.h>
#include <absl/strings/string_view.h>

namespace baton::ha {

inline constexpr char kNotSent[] = "baton/not-sent";

// Unavailable, and the peer has seen nothing of the request.
inline absl::Status NotSent(absl::string_view why) {
  absl::Status status = absl::UnavailableError(why);
  status.SetPayload(kNotSent, absl::Cord());
  return status;
}

// Of any other Unavailable it is not known.
inline bool WasNeverSent(const absl::Status& status) {
  return status.GetPayload(kNotSent).has_value();
}

}  // namespace baton::ha
