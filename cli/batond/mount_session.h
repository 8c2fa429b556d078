// The session that serves this controller's mount, for all who have something to tell it.
#pragma once

#include <absl/base/thread_annotations.h>
#include <absl/synchronization/mutex.h>

#include <memory>

#include "fs/session.h"
#include "ha/node/epoch_services.h"

namespace baton {

// Begin and End are the main thread's; else thread-safe.
class MountSession final : public ha::MountEvents {
 public:
  void Begin(std::shared_ptr<fs::Session> session);
  // It serves no more. Pages that another thread is just dropping may hold it for longer.
  void End();
  // Null: there is none (any more).
  std::shared_ptr<fs::Session> get() const;

  // Drops what programs have mapped of the volume.
  void ContentChanged(uint64_t volume_id) override;
  // Programs that wait for a lock try again.
  void LockFreed(uint64_t volume_id) override;

 private:
  mutable absl::Mutex mutex_;
  std::shared_ptr<fs::Session> session_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace baton
