#include "engine/volume/group_sync.h"

#include "engine/base/status.h"

namespace baton {

absl::Status GroupSync::Sync() {
  if (MustLead()) Finish(file_.Sync());
  return Health();
}

absl::Status GroupSync::WriteDurable(uint64_t offset, Bytes data) {
  if (IsDirect(file_)) return file_.Write(offset, data, WriteMode::kDurable);
  BATON_RETURN_IF_ERROR(file_.Write(offset, data, WriteMode::kCached));
  return Sync();
}

absl::Status GroupSync::Health() const {
  if (!failed_.load(std::memory_order_acquire)) return absl::OkStatus();
  absl::MutexLock lock(&mutex_);
  return failure_;
}

// True: the caller is the one who syncs now. False: another one's sync covers this call, or one
// has failed.
bool GroupSync::MustLead() {
  absl::MutexLock lock(&mutex_);
  // The one that may be running began before this call and need not cover it.
  const uint64_t wanted = started_ + 1;
  while (running_ && finished_ < wanted) runtime_.Wait(finished_one_, mutex_);
  if (finished_ >= wanted || !failure_.ok()) return false;
  running_ = true;
  ++started_;
  return true;
}

// The fault is told before anybody sees the failure: who acts on it finds that out.
void GroupSync::Finish(const absl::Status& result) {
  absl::Status failure;
  if (!result.ok()) {
    failure = Error(absl::StatusCode::kDataLoss,
                    "the volume stopped because a sync failed: {}; what was written since the "
                    "last flush may be lost, check the storage",
                    Message(result));
    if (on_fault_) on_fault_(failure);
  }
  absl::MutexLock lock(&mutex_);
  running_ = false;
  finished_ = started_;
  if (!failure.ok()) {
    failure_ = failure;
    failed_.store(true, std::memory_order_release);
  }
  finished_one_.SignalAll();
}

}  // namespace baton
