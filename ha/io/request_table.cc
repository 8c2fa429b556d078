#include "ha/io/request_table.h"

#include <utility>

#include "ha/io/not_sent.h"

namespace baton::ha {

absl::StatusOr<PeerMessage> RequestTable::Exchange(PeerMessage request, absl::Duration deadline) {
  Slot* slot = nullptr;
  bool must_wake = false;
  {
    absl::MutexLock lock(&mutex_);
    absl::StatusOr<Slot*> claimed = Claim(deadline);
    if (!claimed.ok()) return claimed.status();
    slot = *claimed;
    must_wake = Post(*slot, std::move(request));
  }
  if (must_wake) wake_.Wake();
  absl::MutexLock lock(&mutex_);
  absl::StatusOr<PeerMessage> answer = Await(*slot, deadline);
  Release(*slot);
  return answer;
}

absl::StatusOr<RequestTable::Slot*> RequestTable::Claim(absl::Duration deadline) {
  while (open_) {
    if (Slot* slot = FindFree()) return slot;
    if (!WaitFor(slot_freed_, deadline)) {
      return absl::DeadlineExceededError("too many requests are under way");
    }
  }
  return NotSent(why_closed_);
}

RequestTable::Slot* RequestTable::FindFree() {
  for (Slot& slot : slots_) {
    if (slot.state == State::kFree) return &slot;
  }
  return nullptr;
}

RequestTable::Slot& RequestTable::SlotOf(uint64_t number) { return slots_[number % kMaxInFlight]; }

bool RequestTable::Post(Slot& slot, PeerMessage request) {
  const auto index = static_cast<uint64_t>(&slot - slots_.data());
  slot.number = ++round_ * kMaxInFlight + index;
  slot.message = std::move(request);
  slot.message.header.number = slot.number;
  slot.state = State::kQueued;
  slot.lost = false;
  slot.taken = false;
  queued_.push_back(slot.number);
  return !std::exchange(woken_, true);
}

absl::StatusOr<PeerMessage> RequestTable::Await(Slot& slot, absl::Duration deadline) {
  while (slot.state != State::kDone) {
    if (!WaitFor(slot.done, deadline)) return absl::DeadlineExceededError("no answer in time");
  }
  if (slot.lost) return slot.taken ? absl::UnavailableError(why_closed_) : NotSent(why_closed_);
  return std::move(slot.message);
}

void RequestTable::Release(Slot& slot) {
  slot.state = State::kFree;
  slot.message.body = ZmqMessage();
  slot_freed_.Signal();
}

bool RequestTable::WaitFor(absl::CondVar& condition, absl::Duration deadline) {
  if (deadline == absl::InfiniteDuration()) {
    runtime_.Wait(condition, mutex_);
    return true;
  }
  if (runtime_.BootTime() >= deadline) return false;
  runtime_.WaitUntil(condition, mutex_, deadline);
  return true;
}

void RequestTable::Open() {
  absl::MutexLock lock(&mutex_);
  open_ = true;
  woken_ = false;  // what had been queued before was ended, maybe without having been taken
}

void RequestTable::Close(const std::string& why) {
  absl::MutexLock lock(&mutex_);
  open_ = false;
  why_closed_ = why;
  queued_.clear();
  for (Slot& slot : slots_) {
    if (slot.state != State::kQueued && slot.state != State::kSent) continue;
    slot.state = State::kDone;
    slot.lost = true;
    slot.done.Signal();
  }
  slot_freed_.SignalAll();
}

void RequestTable::Take(std::vector<PeerMessage>& out) {
  absl::MutexLock lock(&mutex_);
  woken_ = false;
  for (const uint64_t number : queued_) {
    Slot& slot = SlotOf(number);
    if (slot.number != number || slot.state != State::kQueued) continue;  // its caller left
    slot.state = State::kSent;
    slot.taken = true;
    out.push_back(std::move(slot.message));
  }
  queued_.clear();
}

void RequestTable::Complete(PeerMessage answer) {
  absl::MutexLock lock(&mutex_);
  Slot& slot = SlotOf(answer.header.number);
  if (slot.number != answer.header.number || slot.state != State::kSent) return;
  slot.message = std::move(answer);
  slot.state = State::kDone;
  slot.done.Signal();
}

}  // namespace baton::ha
