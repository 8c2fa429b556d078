// Whether storage does what a pool relies on: tried out with files of its own.
#pragma once

#include <absl/status/status.h>

#include <string>
#include <vector>

#include "engine/base/finding.h"
#include "engine/base/runtime.h"
#include "engine/base/storage.h"

namespace baton {

// The checks, in this order, some MiB in all:
//   direct-io  a file opened with O_DIRECT is one
//   read-back  what was written is read back, with and without O_DIRECT, beside holes and in holes
//              that were punched
//   links      a hard link is made once, a rename replaces, and the directory shows both
//   locks      an flock excludes another one
//   sync       how long a durable write takes
//   space      how much is free
// All is done in a directory of its own, kProbePrefix and random digits, which is removed in the
// end. One that is an hour old is removed: its maker was killed. As slow as the storage is, and may
// hang with it. `directory`: the path of `storage`.
std::vector<Finding> ProbeStorage(Storage& storage, Runtime& runtime, const std::string& directory);

// Removes what probes have left that were killed. REQUIRES: none runs.
absl::Status RemoveProbes(Storage& storage);

inline constexpr char kProbePrefix[] = ".baton-probe-";

}  // namespace baton
