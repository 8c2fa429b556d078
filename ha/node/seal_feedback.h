// What owners say at the end of an epoch of the clones that they leave running.
#pragma once

#include <absl/base/thread_annotations.h>
#include <absl/synchronization/mutex.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "engine/base/model.pb.h"
#include "ha/io/peer_api.pb.h"

namespace baton::ha {

// Of this node's last seal, and of the owner before as it told this node. Thread-safe.
class SealFeedback {
 public:
  void KeepOwn(uint64_t epoch, const std::vector<Residual>& residuals) {
    absl::MutexLock lock(&mutex_);
    own_.set_epoch(epoch);
    own_.mutable_residuals()->Assign(residuals.begin(), residuals.end());
  }
  // Epoch 0: this node has sealed none.
  peer_api::Feedback Own() const {
    absl::MutexLock lock(&mutex_);
    return own_;
  }

  void KeepReceived(const peer_api::Feedback& feedback) {
    absl::MutexLock lock(&mutex_);
    received_ = feedback;
  }
  // Nullopt: nobody told of that epoch.
  std::optional<peer_api::Feedback> ReceivedOf(uint64_t epoch) const {
    absl::MutexLock lock(&mutex_);
    if (received_.epoch() == 0 || received_.epoch() != epoch) return std::nullopt;
    return received_;
  }

 private:
  mutable absl::Mutex mutex_;
  peer_api::Feedback own_ ABSL_GUARDED_BY(mutex_);
  peer_api::Feedback received_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace baton::ha
