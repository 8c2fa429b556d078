#include "ha/node/ownership_board.h"

#include <utility>

namespace baton::ha {

void OwnershipBoard::Publish(Ownership ownership) {
  absl::MutexLock lock(&mutex_);
  content_.ownership = std::move(ownership);
  changed_.SignalAll();
}

Ownership OwnershipBoard::Read() const {
  absl::MutexLock lock(&mutex_);
  return content_.ownership;
}

void OwnershipBoard::ForgetRefusal() {
  absl::MutexLock lock(&mutex_);
  content_.refusal.clear();
}

void OwnershipBoard::Refuse(const std::string& text) {
  absl::MutexLock lock(&mutex_);
  content_.refusal = text;
  changed_.SignalAll();
}

OwnershipBoard::Content OwnershipBoard::Await(
    absl::Duration deadline, const std::function<bool(const Content& content)>& is_enough) {
  absl::MutexLock lock(&mutex_);
  while (!is_enough(content_) && !stopped_ && runtime_.BootTime() < deadline) {
    runtime_.WaitUntil(changed_, mutex_, deadline);
  }
  return content_;
}

void OwnershipBoard::Stop() {
  absl::MutexLock lock(&mutex_);
  stopped_ = true;
  changed_.SignalAll();
}

}  // namespace baton::ha
