// An eviction of this node, found when it has claimed the pool.
#pragma once

#include <absl/status/status.h>

#include <string>

#include "engine/engine.h"

namespace baton::ha {

// Of a node that has claimed the pool, before anybody may use `engine`: was this node evicted by an
// owner before? Where nothing is open in its mount the eviction has reached its end, and is ended
// durably. EvictedError: files are open; their requests must not reach the engine, so the mount has
// to end.
absl::Status SettleOwnEviction(Engine& engine, const std::string& node, bool has_files);

}  // namespace baton::ha
