// What the exit status of `baton` says; scripts depend on it.
#pragma once

#include <absl/status/status.h>

namespace baton {

enum class ExitCode {
  kDone = 0,
  kRefused = 1,   // refused or failed; the reason on standard error, one line
  kUsage = 2,     // the command line makes no sense
  kDegraded = 3,  // of `status`
  kNoController = 4,
  kTimedOut = 5,
};

// In the client Unavailable and DeadlineExceeded tell of the connection to the controller and of
// waiting, never of anything else.
inline ExitCode ExitCodeOf(const absl::Status& status) {
  if (status.ok()) return ExitCode::kDone;
  if (absl::IsUnavailable(status)) return ExitCode::kNoController;
  if (absl::IsDeadlineExceeded(status)) return ExitCode::kTimedOut;
  return ExitCode::kRefused;
}

}  // namespace baton
