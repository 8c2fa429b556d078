// How long the answer to a request may take.
#pragma once

#include <absl/time/time.h>

#include "cli/control/control.pb.h"

namespace baton::control {

absl::Duration TimeoutOf(Request::CommandCase command);

}  // namespace baton::control
