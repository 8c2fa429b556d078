#include "engine/volume/range_lock.h"

#include "engine/base/host_request.h"

namespace baton {

RangeLock::Hold::Hold(RangeLock& lock, ByteRange range, Mode mode)
    : lock_(lock), range_(range), mode_(mode) {
  lock_.Acquire(*this);
}

RangeLock::Hold::~Hold() { lock_.Release(*this); }

bool RangeLock::Hold::ConflictsWith(const Hold& other) const {
  if (mode_ == Mode::kShared && other.mode_ == Mode::kShared) return false;
  return range_.begin < other.range_.end && other.range_.begin < range_.end;
}

void RangeLock::Acquire(Hold& hold) {
  absl::MutexLock lock(&mutex_);
  Append(hold);
  if (!MustWait(hold)) return;
  const HostRequest::Spending waiting(runtime_, Spent::kLock);
  ++waiting_;
  while (MustWait(hold)) runtime_.Wait(released_, mutex_);
  --waiting_;
}

void RangeLock::Release(Hold& hold) {
  absl::MutexLock lock(&mutex_);
  Unlink(hold);
  if (waiting_ > 0) released_.SignalAll();
}

void RangeLock::Append(Hold& hold) {
  hold.previous_ = last_;
  (last_ != nullptr ? last_->next_ : first_) = &hold;
  last_ = &hold;
  if (hold.mode_ == Mode::kExclusive) ++exclusive_;
}

void RangeLock::Unlink(Hold& hold) {
  (hold.previous_ != nullptr ? hold.previous_->next_ : first_) = hold.next_;
  (hold.next_ != nullptr ? hold.next_->previous_ : last_) = hold.previous_;
  if (hold.mode_ == Mode::kExclusive) --exclusive_;
}

bool RangeLock::MustWait(const Hold& hold) const {
  // The common case, aligned writes among themselves, does not walk the queue.
  if (hold.mode_ == Mode::kShared && exclusive_ == 0) return false;
  for (const Hold* earlier = hold.previous_; earlier != nullptr; earlier = earlier->previous_) {
    if (hold.ConflictsWith(*earlier)) return true;
  }
  return false;
}

}  // namespace baton
