// A conversion between image formats, by qemu-img.
#pragma once

#include <absl/status/status.h>

#include <string>
#include <vector>

#include "cli/baton/shown_copy.h"

namespace baton {

// `qemu-img convert` with these arguments. `input` is its standard input
// (ChildProgram::kInputPath), `path` what messages call it, `size_bytes` what `progress` counts to.
// Cancelled: `progress` gave up. FailedPrecondition: qemu-img is missing, or fails.
absl::Status QemuConvert(const std::vector<std::string>& arguments, int input,
                         const std::string& path, uint64_t size_bytes,
                         const CopyProgress& progress);

}  // namespace baton
