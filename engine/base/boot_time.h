// The clock for waits and for measuring time, where no Runtime is at hand.
#pragma once

#include <absl/time/time.h>

namespace baton {

// CLOCK_BOOTTIME: the same in every process of the machine. It goes on while the machine is
// suspended, and nobody can set it.
absl::Duration BootTime();

}  // namespace baton
