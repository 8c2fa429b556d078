// A status becomes an errno here and nowhere else.
#pragma once

#include <absl/status/status.h>

namespace baton::fs {

// The positive errno that an application sees; 0 for OK. What has no meaning for someone who
// reads or writes a file (a volume that is offline) is EIO.
int ErrnoOf(const absl::Status& status);

}  // namespace baton::fs
