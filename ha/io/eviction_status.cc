#include "ha/io/eviction_status.h"

#include <absl/strings/cord.h>
#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>

#include <utility>

#include "engine/base/status.h"

namespace baton::ha {
namespace {

constexpr char kEvictionPayload[] = "baton/eviction";

}  // namespace

absl::Status EvictedError(const std::string& node, uint64_t eviction) {
  return WithEviction(Error(absl::StatusCode::kFailedPrecondition,
                            "node {} was evicted: what was asked in its mount before is refused "
                            "for good, and the mount has to be made anew",
                            node),
                      eviction);
}

absl::Status WithEviction(absl::Status status, uint64_t eviction) {
  status.SetPayload(kEvictionPayload, absl::Cord(absl::StrCat(eviction)));
  return status;
}

std::optional<uint64_t> EvictionOf(const absl::Status& status) {
  const auto payload = status.GetPayload(kEvictionPayload);
  uint64_t eviction = 0;
  if (!payload || !absl::SimpleAtoi(std::string(*payload), &eviction)) return std::nullopt;
  return eviction;
}

}  // namespace baton::ha
