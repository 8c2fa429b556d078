// Who owns the pool as far as this node can tell, for those who read it and those who wait for it.
#pragma once

#include <absl/base/thread_annotations.h>
#include <absl/synchronization/mutex.h>
#include <absl/time/time.h>

#include <functional>
#include <string>

#include "engine/base/runtime.h"
#include "ha/node/ha_status.h"

namespace baton::ha {

// The coordinator's thread writes it. Thread-safe.
class OwnershipBoard {
 public:
  struct Content {
    Ownership ownership;
    std::string refusal;  // of the handover that was asked for last; empty: there is none
  };

  explicit OwnershipBoard(Runtime& runtime) : runtime_(runtime) {}

  void Publish(Ownership ownership);
  Ownership Read() const;

  // A handover is being asked for, and is refused.
  void ForgetRefusal();
  void Refuse(const std::string& text);

  // What the board shows when `is_enough` says so, at `deadline`, or after Stop(). `is_enough`
  // looks at what it is given and at nothing else.
  Content Await(absl::Duration deadline,
                const std::function<bool(const Content& content)>& is_enough);
  // Nobody waits any more.
  void Stop();

 private:
  Runtime& runtime_;
  mutable absl::Mutex mutex_;
  absl::CondVar changed_;
  Content content_ ABSL_GUARDED_BY(mutex_);
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace baton::ha
