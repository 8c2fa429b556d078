// Requests whose asker is being killed are called off.
#pragma once

#include <absl/base/thread_annotations.h>
#include <absl/synchronization/mutex.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "engine/base/bytes.h"
#include "engine/base/host_request.h"
#include "engine/base/runtime.h"
#include "engine/base/volume_directory.h"
#include "fs/backlog.h"
#include "fs/host_io.h"
#include "fs/mount_settings.h"
#include "fs/slow_requests.h"

namespace baton::fs {

class Interrupts;

// The request that one worker serves. Begin, End and what HostRequest says of the thread's own are
// the worker's; the rest is for everybody.
class alignas(kCacheLineBytes) ServedRequest final : public HostRequest {
 public:
  explicit ServedRequest(Interrupts& interrupts) : interrupts_(interrupts) {}
  // Of this thread, which is a worker's.
  static ServedRequest& Current() { return static_cast<ServedRequest&>(*HostRequest::Current()); }

  // `interrupted`: before it came to the worker; `queued`: how long it waited for one after it was
  // read. Costs some stores.
  void Begin(Bytes request, bool interrupted, absl::Duration queued = absl::ZeroDuration());
  // A request for content begins, now.
  void BeginIo(absl::Duration now);
  // It has its answer, but for the way to the kernel.
  void EndIo() { has_io_.store(false, std::memory_order_release); }
  void End() { word_.store(0, std::memory_order_relaxed); }

  bool killed() const override { return word_.load(std::memory_order_acquire) & kKilled; }
  void NoteWait() override;
  // The request for content that is served, as of `now`; nullopt: there is none.
  std::optional<SlowRequest> IoUnderWay(absl::Duration now) const;
  // When it was read from the kernel. The worker's.
  absl::Duration came() const {
    return absl::Nanoseconds(came_ns_.load(std::memory_order_relaxed));
  }

  // Whoever asked got a signal, of whatever kind. The kernel tells of it once.
  bool interrupted() const { return word_.load(std::memory_order_acquire) & kInterrupted; }

 private:
  friend class Interrupts;

  // Beside the number of the request, in bits that it does not use: so that what is found out about
  // one request is never said of the next.
  static constexpr uint64_t kKilled = 1;
  static constexpr uint64_t kInterrupted = uint64_t{1} << 63;

  uint64_t unique() const {
    return word_.load(std::memory_order_acquire) & ~(kKilled | kInterrupted);
  }
  // False: another one is served by now.
  bool Set(uint64_t unique, uint64_t bit);
  uint32_t ProcessOf(uint64_t unique) const;
  void NoteProcess(uint64_t unique, uint32_t process);

  Interrupts& interrupts_;
  std::atomic<uint64_t> word_ = 0;  // 0: none
  std::atomic<uint32_t> task_ = 0;
  // Its process, when that is known, behind the lower half of the request's number: what was found
  // out for the one before counts for nothing.
  std::atomic<uint64_t> process_ = 0;
  std::atomic<bool> waits_ = false;
  // What it asks for, where it asks for content (BeginIo). Stored after the end of the request
  // before is.
  std::atomic<bool> has_io_ = false;
  std::atomic<size_t> kind_ = 0;
  std::atomic<uint64_t> volume_id_ = 0;
  std::atomic<uint64_t> offset_ = 0;
  std::atomic<uint64_t> length_bytes_ = 0;
  std::atomic<int64_t> came_ns_ = 0;
  absl::Duration queued_;
  std::optional<HostIo> io_;
};

// A request ends early, with EINTR, only when whoever asked is being killed: nobody sees that
// answer. An application that lives sees a pause and no error, whatever signals it gets meanwhile.
//
// The kernel tells of a signal at most once a request, not whether it kills, and nothing at all of
// requests for which nobody waits in the kernel (io_submit, io_uring); so whoever asked is looked
// at again and again while a request waits. That a signal came only makes it sooner. Thread-safe.
class Interrupts {
 public:
  // All of them outlive this. `fd`: of the mount. `requests`: that may be served at one time.
  Interrupts(Runtime& runtime, VolumeDirectory& directory, Backlog& backlog, int fd,
             size_t requests);

  ServedRequest& request(size_t index) { return *requests_[index]; }

  // A signal came for the one who asked `unique` (as first sent). False: there is no such request,
  // yet.
  bool Take(uint64_t unique);
  // What waits without a worker: a request that is parked until others let it go on. `unique` is as
  // in Take; true: it was one of these and has been answered, or will be. To be set before the
  // first request is read. Whoever parks a request makes it known to this first, and asks
  // ServedRequest::interrupted() after that: a signal may have come before.
  std::function<bool(uint64_t unique)> on_parked;

  // The session begins: no earlier process sends anything any more. Before the first request.
  void Begin() { began_ = runtime_.BootTime(); }
  // A thread's: looks at who waits until Stop.
  void Watch();
  void Stop();
  // Requests that have a worker and wait for somebody who serves.
  uint64_t CountUnserved() const;
  // Requests for content that have a worker and came before `before`.
  std::vector<SlowRequest> IoSince(absl::Duration before) const;
  // Something is kept in the backlog that should be looked at.
  void Wake();

 private:
  friend class ServedRequest;

  // A request that is served waits: it is looked at, and the backlog is told that there is need of
  // it, until none waits any more.
  void NoteWait();
  // Whether anything is left that may wait.
  bool LookAtServed();
  bool LookAtBacklog();
  bool Look(ServedRequest& request, uint64_t unique);
  bool Look(Backlog::Kept kept);

  Runtime& runtime_;
  VolumeDirectory& directory_;
  Backlog& backlog_;
  const int fd_;
  absl::Duration began_;
  std::vector<std::unique_ptr<ServedRequest>> requests_;
  absl::Mutex mutex_;  // before that of the backlog
  absl::CondVar changed_;
  bool awake_ ABSL_GUARDED_BY(mutex_) = false;
  bool waits_ ABSL_GUARDED_BY(mutex_) = false;  // a request that is served
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace baton::fs
