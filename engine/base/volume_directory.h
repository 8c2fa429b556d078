// What the mount needs: a flat directory of fixed-size volumes. ha/volumes connects it with the
// engine.
#pragma once

#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/base/file_lock.h"
#include "engine/base/storage.h"
#include "engine/base/volume_io.h"

namespace baton {

struct VolumeEntry {
  uint64_t id = 0;  // the same in every process, never reused; the inode number is one more
  std::string name;
  uint64_t size_bytes = 0;
  uint64_t allocated_bytes = 0;
  int64_t created_unix_us = 0;
  // When what hosts see changed last, by whatever node; 0: not known.
  int64_t changed_unix_us = 0;
};

struct VolumeName {
  uint64_t id = 0;
  std::string name;
};

struct Capacity {
  uint64_t total_bytes = 0;
  uint64_t free_bytes = 0;
  uint64_t volumes = 0;  // how many there are
};

// Thread-safe.
class VolumeDirectory {
 public:
  virtual ~VolumeDirectory() = default;
  // Some of those with a greater id than `after_id`, by id: at most `limit`, none if there are
  // none.
  virtual absl::StatusOr<std::vector<VolumeName>> List(uint64_t after_id, size_t limit) const = 0;
  virtual absl::StatusOr<VolumeEntry> Lookup(const std::string& name) const = 0;  // NotFound
  virtual absl::StatusOr<VolumeEntry> Get(uint64_t id) const = 0;                 // NotFound
  // The volume counts as open from now on and while the result lives: hosts have it open since
  // before this process. Never waits: whoever serves, now or later, learns of it before a command
  // may discard the volume's content. Null: this directory tells nobody.
  virtual std::shared_ptr<const void> Hold(uint64_t /*id*/) { return nullptr; }
  // I/O on the volume; it counts as open while the handle lives.
  virtual absl::StatusOr<std::shared_ptr<VolumeIo>> Open(uint64_t id) = 0;
  virtual absl::StatusOr<std::optional<DataRange>> NextData(uint64_t id, uint64_t offset) const = 0;
  virtual absl::StatusOr<Capacity> GetCapacity() const = 0;
  // Some requests were called off (HostRequest::killed): those of them that wait in here for
  // somebody who can answer look at that again, and end with Cancelled, once it is certain that
  // what they may have begun has no effect any more.
  virtual void WakeWaiting() {}
  // For how long at most a change that somebody was sent may take effect without an answer.
  virtual absl::Duration LongestDoubt() const { return absl::ZeroDuration(); }

  // ---- advisory locks: what the programs of this mount hold. The defaults are for a directory
  // that nobody else shows. Aborted: nobody who serves has answered, and maybe it took effect: all
  // is to be told before anything else. They wait for a call, never for somebody who serves. ----
  // These, and no others, on the volume. nullopt: so it is; otherwise the lock of another node that
  // is in the way, and nothing has changed.
  virtual absl::StatusOr<std::optional<FileLock>> SetLocks(uint64_t /*id*/,
                                                           const FileLocks& /*locks*/) {
    return std::nullopt;
  }
  // These, and no others, on all volumes. Returns those that were lost to others.
  virtual absl::StatusOr<std::vector<VolumeLocks>> SetAllLocks(
      const std::vector<VolumeLocks>& /*all*/) {
    return std::vector<VolumeLocks>();
  }
  // A lock of another node that keeps `wanted` out; waits for somebody who serves.
  virtual absl::StatusOr<std::optional<FileLock>> FindLock(uint64_t /*id*/,
                                                           const FileLock& /*wanted*/) const {
    return std::nullopt;
  }
  // Another number whenever somebody else serves, who must be told all locks; 0: nobody does.
  virtual uint64_t Serving() const { return 1; }
};

}  // namespace baton
