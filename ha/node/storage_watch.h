// Looks at the pool's storage all the time: does it answer, and who owns the pool?
#pragma once

#include <absl/base/thread_annotations.h>
#include <absl/status/status.h>
#include <absl/synchronization/mutex.h>
#include <absl/time/time.h>

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "engine/base/model.pb.h"
#include "engine/base/posix_storage.h"
#include "engine/base/runtime.h"
#include "engine/base/stop_signal.h"
#include "engine/lease/lease_record.h"
#include "engine/lease/node_lock.h"
#include "engine/lease/reserve.h"

namespace baton::ha {

// A thread of its own does all of it, because storage may hang. What could not be opened is tried
// again with each look. Thread-safe.
class StorageWatch {
 public:
  struct Options {
    Runtime& runtime;
    std::string pool;     // the directory
    std::string pool_id;  // another one is no pool of ours
    std::string node;
    absl::Duration every = absl::Milliseconds(100);
    // How long a look may take before the storage counts as failed. One that answers with an error
    // has failed when kFailedLooks in a row have: an error that passes moves no pool.
    absl::Duration patience = absl::Seconds(3);
  };
  static constexpr int kFailedLooks = 3;
  // Called by the thread.
  struct Handlers {
    // The newest lease record, read since `began`; nullopt: no epoch was ever claimed.
    std::function<void(const std::optional<LeaseRecord>& record, absl::Duration began)> on_lease;
    // The owner of that epoch was reaped, says a file of the pool.
    std::function<void(const DeathCertificate& certificate)> on_certificate;
    // How much space there is, every second.
    std::function<void(const SpaceReading& space)> on_space;
  };

  StorageWatch(Options options, Handlers handlers);
  ~StorageWatch() { Stop(); }
  StorageWatch(const StorageWatch&) = delete;
  StorageWatch& operator=(const StorageWatch&) = delete;

  void Start();
  // Waits for a look that is under way; no other follows.
  void Stop();
  // Open, and no other process of this node's name is alive; null until then.
  PosixStorage* storage() const { return ready_.load(std::memory_order_acquire); }
  // OK when the last look that counts was good and not too long ago.
  absl::Status Health() const;
  // False: the first look is under way, and may take longer.
  bool IsKnown() const;
  // Not OK while this process has no descriptor left to look with: nothing of the storage is known
  // then, and Health() stays as it was.
  absl::Status Shortage() const;
  // When it was measured last; zeros: never.
  SpaceReading space() const;
  // Whether the storage takes writes now; as slow as it is. REQUIRES: storage() is not null.
  absl::Status Probe() const { return node_lock_->Probe(); }

 private:
  absl::Duration Silence() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void NoteLook(const absl::Status& status);
  absl::Status Look();
  absl::Status OpenStorage();
  void Measure();

  const Options options_;
  const Handlers handlers_;
  std::unique_ptr<PosixStorage> storage_;  // of the thread until it is ready
  std::optional<NodeLock> node_lock_;
  std::atomic<PosixStorage*> ready_ = nullptr;
  uint64_t certified_epoch_ = 0;  // of the thread
  absl::Duration next_measure_;   // likewise
  StopSignal stop_;

  mutable absl::Mutex mutex_;
  bool looked_ ABSL_GUARDED_BY(mutex_) = false;  // last_ is the end of a look
  absl::Status last_ ABSL_GUARDED_BY(mutex_) = absl::UnavailableError("not looked at yet");
  absl::Status shortage_ ABSL_GUARDED_BY(mutex_);
  absl::Duration last_look_ ABSL_GUARDED_BY(mutex_);
  SpaceReading space_ ABSL_GUARDED_BY(mutex_);
  int failed_looks_ ABSL_GUARDED_BY(mutex_) = 0;  // in a row
  std::unique_ptr<Thread> thread_;
};

}  // namespace baton::ha
