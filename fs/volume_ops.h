// What each request of the kernel means for volumes: fixed-size regular files in one directory.
#pragma once

#define FUSE_USE_VERSION 314
#include <absl/time/time.h>
#include <fuse_lowlevel.h>

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "engine/base/bytes.h"
#include "engine/base/log_limiter.h"
#include "engine/base/runtime.h"
#include "engine/base/volume_directory.h"
#include "fs/attributes.h"
#include "fs/backlog.h"
#include "fs/interrupts.h"
#include "fs/io_counters.h"
#include "fs/lock_table.h"
#include "fs/mount_locks.h"
#include "fs/mount_settings.h"
#include "fs/open_volumes.h"
#include "fs/raw_answer.h"
#include "fs/slow_requests.h"

namespace baton::fs {

// What the requests of one mount share. Thread-safe.
struct Mounted {
  // `fd`: of the mount. `workers`: requests that are served at one time. `slow_limit`: what takes
  // so long is kept as slow.
  Mounted(VolumeDirectory& directory, Runtime& runtime, const Ownership& ownership,
          std::unique_ptr<OpenTable> open_table, std::unique_ptr<LockTable> lock_table, int fd,
          size_t workers, absl::Duration slow_limit, MountLocks::Lost locks_lost)
      : directory(directory),
        runtime(runtime),
        ownership(ownership),
        open_table(std::move(open_table)),
        volumes(directory, *this->open_table),
        refusals(runtime, kLogLinesPerPeriod, kLogPeriod),
        failures(runtime, kLogLinesPerPeriod, kLogPeriod),
        backlog(runtime, workers),
        interrupts(runtime, directory, backlog, fd, workers + 1),
        locks(
            directory, runtime, std::move(lock_table),
            [fd](uint64_t unique, int error) { AnswerRaw(fd, unique, error); },
            std::move(locks_lost)),
        slow(slow_limit) {
    interrupts.on_parked = [this](uint64_t unique) { return locks.Interrupt(unique); };
  }

  // "volume 'alpha'", for log lines.
  std::string Describe(uint64_t node) const;

  VolumeDirectory& directory;
  Runtime& runtime;
  const Ownership ownership;
  const std::unique_ptr<OpenTable> open_table;
  OpenVolumes volumes;
  LogLimiter refusals;  // what a mount of volumes does not do
  LogLimiter failures;  // what should have worked
  Backlog backlog;
  Interrupts interrupts;
  MountLocks locks;
  SlowRequests slow;
  PerKind<KindTimes> times;
  StallMeter stall;

  // Requests that are left to the next session, see ReplyError.
  std::atomic<uint64_t> left = 0;
  bool request_waited = false;             // before the first thread ran
  std::atomic<int64_t> first_came_ns = 0;  // BootTime of the first request; 0: none has come
  std::atomic<bool> answered = false;
  std::atomic<bool> ending = false;  // what takes long is left to the next session
  // See SessionOptions; may be empty.
  std::function<void(std::optional<absl::Duration> came)> on_first_answer;
};

// The user data of a libfuse session: one worker's view. A worker serves one request at a time, so
// that its answer can be put together in one buffer.
struct Server {
  Mounted& mounted;
  const MutableBytes answer;       // aligned for direct I/O, limits::kMaxRequestBytes
  std::string* capture = nullptr;  // where answers go instead of to the kernel
  uint64_t unique = 0;             // of the request that is being answered, as it was first sent
  uint64_t received = 0;           // the same, as it came: an answer must say that
};

// The requests that a mount of volumes answers; all others are ENOSYS, which the kernel remembers
// (no extended attributes).
//
// The node is the volume's, and the file handle the number of the OPEN request: a request means the
// same in every process. FORGET is nothing to us: nodes are not counted.
fuse_lowlevel_ops VolumeOps();

// Answers a request with the errno of `status`. What no application can have expected is logged:
// "WHAT NODE failed: why".
//
// Aborted means that this controller may not say anything any more, neither that it worked nor that
// it did not. Such a request is left unanswered: the next session on the mount gets it again, and
// with the mount's end it ends with an error.
void ReplyError(fuse_req_t request, const absl::Status& status, const char* what, fuse_ino_t node);

// The parts of VolumeOps().
void AddNameOps(fuse_lowlevel_ops& ops);
void AddDataOps(fuse_lowlevel_ops& ops);
void AddLockOps(fuse_lowlevel_ops& ops);
void AddRefusals(fuse_lowlevel_ops& ops);

inline Server& ServerOf(fuse_req_t request) {
  return *static_cast<Server*>(fuse_req_userdata(request));
}
inline Mounted& MountedOf(fuse_req_t request) { return ServerOf(request).mounted; }

}  // namespace baton::fs
