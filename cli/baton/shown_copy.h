// What importing and exporting have in common: a copy of a volume's size, shown to who waits for
// it.
#pragma once

#include <absl/status/status.h>

#include <cstdint>
#include <functional>

#include "cli/baton/console.h"

namespace baton {

// Told how many bytes are done, perhaps from several threads, one at a time; false: give up.
using CopyProgress = std::function<bool(uint64_t done_bytes)>;

// Runs `copy` and shows how far it is. Ctrl-C gives up, once CatchInterrupts was called. What
// happens to local files is FailedPrecondition: never a statement about the controller.
absl::Status CopyWithProgress(Console& console, uint64_t size_bytes,
                              const std::function<absl::Status(const CopyProgress&)>& copy);

// `status` of local files: FailedPrecondition, but for Cancelled.
absl::Status LocalFailure(const absl::Status& status);

}  // namespace baton
