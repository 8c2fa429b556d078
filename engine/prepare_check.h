// The part of a controller that is not the owner in `clone create`.
#pragma once

#include <absl/status/status.h>

#include <string>

#include "engine/base/runtime.h"
#include "engine/base/storage.h"

namespace baton {

// The volume's file is there with `size_bytes`, and this node can open it for direct I/O and read
// it. Nothing is written. NotFound; FailedPrecondition: another size; else what the storage said.
absl::Status CheckVolumeReachable(Storage& storage, Runtime& runtime, const std::string& name,
                                  uint64_t size_bytes);

}  // namespace baton
