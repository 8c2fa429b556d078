#include "engine/base/boot_time.h"

#include <time.h>

namespace baton {

absl::Duration BootTime() {
  timespec now = {};
  clock_gettime(CLOCK_BOOTTIME, &now);
  return absl::DurationFromTimespec(now);
}

}  // namespace baton
