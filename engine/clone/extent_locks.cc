#include "engine/clone/extent_locks.h"

#include <algorithm>

#include "engine/base/mutant.h"

namespace baton {

void Claims::AcquirePending(Claim& claim, ExtentSpan wanted, uint64_t max) {
  absl::MutexLock guard(&mutex_);
  while (true) {
    const uint64_t first = copied_.NextClear(wanted.first, wanted.end());
    if (first == wanted.end()) return;
    const uint64_t room = limit_ - std::min(limit_, weight_);
    const uint64_t count = FreeRun(first, std::min({max, room, wanted.end() - first}));
    if (count > 0) return Add(claim, {first, count}, count);
    runtime_.Wait(released_, mutex_);
  }
}

uint64_t Claims::NextFree(uint64_t from, uint64_t end) const {
  absl::MutexLock guard(&mutex_);
  for (uint64_t extent = from; (extent = copied_.NextClear(extent, end)) < end; ++extent) {
    if (!IsClaimed(extent)) return extent;
  }
  return end;
}

bool Claims::TryAcquire(Claim& claim, ExtentSpan wanted, bool weighs) {
  absl::MutexLock guard(&mutex_);
  const uint64_t count = FreeRun(wanted.first, wanted.count);
  if (count == 0 || (weighs && weight_ + count > limit_ - reserve_)) return false;
  Add(claim, {wanted.first, count}, weighs ? count : 0);
  return true;
}

void Claims::Release(Claim& claim) {
  if (!claim.holds_any()) return;
  absl::MutexLock guard(&mutex_);
  Claim** link = &held_;
  while (*link != &claim) link = &(*link)->next_;
  *link = claim.next_;
  weight_ -= claim.weight_;
  claim.span_ = {};
  released_.SignalAll();
}

void Claims::WaitNone() {
  absl::MutexLock guard(&mutex_);
  while (held_ != nullptr) runtime_.Wait(released_, mutex_);
}

uint64_t Claims::copying() const {
  absl::MutexLock guard(&mutex_);
  return weight_;
}

std::vector<ExtentSpan> Claims::Snapshot() const {
  absl::MutexLock guard(&mutex_);
  std::vector<ExtentSpan> spans;
  for (const Claim* claim = held_; claim != nullptr; claim = claim->next_) {
    if (claim->weight_ > 0) spans.push_back(claim->span_);
  }
  std::sort(spans.begin(), spans.end(),
            [](ExtentSpan a, ExtentSpan b) { return a.first < b.first; });
  return spans;
}

bool Claims::IsClaimed(uint64_t extent) const { return FreeRun(extent, 1) == 0; }

uint64_t Claims::FreeRun(uint64_t first, uint64_t max) const {
  uint64_t end = copied_.NextSet(first, std::min(first + max, copied_.bits()));
  if (BATON_MUTANT(kCopyIgnoresClaims)) return end - first;
  for (const Claim* claim = held_; claim != nullptr; claim = claim->next_) {
    if (claim->span_.end() > first) end = std::min(end, std::max(first, claim->span_.first));
  }
  return end - first;
}

void Claims::Add(Claim& claim, ExtentSpan span, uint64_t weight) {
  claim.span_ = span;
  claim.weight_ = weight;
  claim.next_ = held_;
  held_ = &claim;
  weight_ += weight;
}

}  // namespace baton
