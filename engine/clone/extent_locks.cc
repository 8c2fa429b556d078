#include "engine/clone/extent_locks.h"

#include <algorithm>

#include "engine/base/host_request.h"
#include "engine/base/mutant.h"

namespace baton {

void ExtentLocks::AcquirePending(Hold& hold, ExtentSpan wanted, uint64_t max) {
  absl::MutexLock guard(&mutex_);
  while (true) {
    const uint64_t first = copied_.NextClear(wanted.first, wanted.end());
    if (first == wanted.end()) return;
    const uint64_t room = limit_ - std::min(limit_, weight_);
    const uint64_t count = FreeRun(first, std::min({max, room, wanted.end() - first}));
    if (count > 0) return Add(hold, {first, count}, count);
    const HostRequest::Spending waiting(runtime_, Spent::kLock);
    runtime_.Wait(released_, mutex_);
  }
}

uint64_t ExtentLocks::NextFree(uint64_t from, uint64_t end) const {
  absl::MutexLock guard(&mutex_);
  for (uint64_t extent = from; (extent = copied_.NextClear(extent, end)) < end; ++extent) {
    if (!IsLocked(extent)) return extent;
  }
  return end;
}

bool ExtentLocks::TryAcquire(Hold& hold, ExtentSpan wanted, bool weighs) {
  absl::MutexLock guard(&mutex_);
  const uint64_t count = FreeRun(wanted.first, wanted.count);
  if (count == 0 || (weighs && weight_ + count > limit_ - reserve_)) return false;
  Add(hold, {wanted.first, count}, weighs ? count : 0);
  return true;
}

void ExtentLocks::Release(Hold& hold) {
  if (!hold.holds_any()) return;
  absl::MutexLock guard(&mutex_);
  Hold** link = &held_;
  while (*link != &hold) link = &(*link)->next_;
  *link = hold.next_;
  weight_ -= hold.weight_;
  hold.span_ = {};
  released_.SignalAll();
}

void ExtentLocks::WaitNone() {
  absl::MutexLock guard(&mutex_);
  while (held_ != nullptr) runtime_.Wait(released_, mutex_);
}

uint64_t ExtentLocks::copying() const {
  absl::MutexLock guard(&mutex_);
  return weight_;
}

std::vector<ExtentSpan> ExtentLocks::Snapshot() const {
  absl::MutexLock guard(&mutex_);
  std::vector<ExtentSpan> spans;
  for (const Hold* hold = held_; hold != nullptr; hold = hold->next_) {
    if (hold->weight_ > 0) spans.push_back(hold->span_);
  }
  std::sort(spans.begin(), spans.end(),
            [](ExtentSpan a, ExtentSpan b) { return a.first < b.first; });
  return spans;
}

bool ExtentLocks::IsLocked(uint64_t extent) const { return FreeRun(extent, 1) == 0; }

uint64_t ExtentLocks::FreeRun(uint64_t first, uint64_t max) const {
  uint64_t end = copied_.NextSet(first, std::min(first + max, copied_.bits()));
  if (BATON_MUTANT(kCopyIgnoresLocks)) return end - first;
  for (const Hold* hold = held_; hold != nullptr; hold = hold->next_) {
    if (hold->span_.end() > first) end = std::min(end, std::max(first, hold->span_.first));
  }
  return end - first;
}

void ExtentLocks::Add(Hold& hold, ExtentSpan span, uint64_t weight) {
  hold.span_ = span;
  hold.weight_ = weight;
  hold.next_ = held_;
  held_ = &hold;
  weight_ += weight;
}

}  // namespace baton
