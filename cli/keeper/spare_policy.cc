#include "cli/keeper/spare_policy.h"

#include <algorithm>

namespace baton::keeper {
namespace {

constexpr int kMostDoublings = 10;

}  // namespace

void SparePolicy::NoteLost(absl::Duration now) {
  next_ = now + std::min(kSpareDelay * (1 << failures_), kMaxSpareDelay);
  failures_ = std::min(failures_ + 1, kMostDoublings);
}

}  // namespace baton::keeper
