// An eviction, as an answer: what was asked in a node's mount is refused, for good.
#pragma once

#include <absl/status/status.h>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

namespace baton::ha {

// FailedPrecondition that carries the id of the eviction, also through Annotate and between nodes.
absl::Status EvictedError(const std::string& node, uint64_t eviction);
absl::Status WithEviction(absl::Status status, uint64_t eviction);
// A fault after which the mount ends as that of a node that was evicted.
inline absl::Status MountEnds(absl::Status status) { return WithEviction(std::move(status), 0); }
// Nullopt: the answer has another reason.
std::optional<uint64_t> EvictionOf(const absl::Status& status);

}  // namespace baton::ha
