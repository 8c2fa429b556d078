#include "cli/batond/mount_session.h"

#include <spdlog/spdlog.h>

#include <utility>

#include "engine/base/status.h"

namespace baton {

void MountSession::Begin(std::shared_ptr<fs::Session> session) {
  absl::MutexLock lock(&mutex_);
  session_.swap(session);  // the one before goes after the lock: its threads may want it
}

std::shared_ptr<fs::Session> MountSession::get() const {
  absl::MutexLock lock(&mutex_);
  return session_;
}

void MountSession::End() {
  const std::shared_ptr<fs::Session> current = get();
  if (current == nullptr) return;
  current->Stop();
  Begin(nullptr);
}

void MountSession::ContentChanged(uint64_t volume_id) {
  const std::shared_ptr<fs::Session> current = get();
  if (current == nullptr) return;
  const absl::Status dropped = current->DropPages(volume_id);
  if (!dropped.ok()) {
    spdlog::warn("memory maps of volume {} may show old content: {}", volume_id, Message(dropped));
  }
}

void MountSession::LockFreed(uint64_t volume_id) {
  if (const std::shared_ptr<fs::Session> current = get()) current->RetryLocks(volume_id);
}

}  // namespace baton
