// Waits for a clone to be over, while a controller may come and go.
#pragma once

#include <absl/functional/function_ref.h>
#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include <string>

#include "cli/baton/command_context.h"
#include "engine/base/model.pb.h"

namespace baton {

struct FollowOptions {
  absl::Duration deadline = absl::InfiniteDuration();  // of BootTime()
  absl::Duration interval = absl::Milliseconds(100);
};

// Asks for the clone again and again, tells `visit` each answer, and ends when it is over.
// A controller that answered once may be away for kAwayLimit: it restarts, or another one takes
// over.
//   DeadlineExceeded  the deadline passed   Cancelled  interrupted (see interrupt.h)
absl::StatusOr<CloneStatus> FollowClone(CommandContext& context, const std::string& clone,
                                        const FollowOptions& options,
                                        absl::FunctionRef<void(const CloneStatus&)> visit);
inline constexpr absl::Duration kAwayLimit = absl::Seconds(30);

// OK when it is completed, else why not.
absl::Status CheckCompleted(const CloneStatus& clone);

}  // namespace baton
