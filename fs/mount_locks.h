// The advisory locks of the mount's programs: granted here, and nowhere without the owner's word.
#pragma once

#include <absl/base/thread_annotations.h>
#include <absl/container/flat_hash_map.h>
#include <absl/container/flat_hash_set.h>
#include <absl/status/statusor.h>
#include <absl/synchronization/mutex.h>

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/base/file_lock.h"
#include "engine/base/runtime.h"
#include "fs/lock_table.h"
#include "engine/base/volume_directory.h"

namespace baton::fs {

// One thread carries out all changes, one after the other: between the programs of this mount it
// decides itself, and it asks the directory whether another mount is in the way. A request is
// parked until it is answered, so that no worker waits for a lock. While nobody serves, locks are
// given back within a second and granted later.
//
// Thread-safe, from Start to Stop.
class MountLocks {
 public:
  struct Request {
    uint64_t unique = 0;  // of the kernel's request, as it was received; 0: nobody waits
    uint64_t volume_id = 0;
    FileLock lock;
    bool waits = false;  // until it is free; otherwise EAGAIN
  };
  // Answers a request of the kernel: a positive errno, or 0.
  using Answer = std::function<void(uint64_t unique, int error)>;
  // Locks that programs of this mount hold were given to another node: they go on as if they had
  // them. The text says which. Called from a thread that must not be held up.
  using Lost = std::function<void(const std::string& text)>;

  // `directory` and `runtime` outlive it. `lost` may be empty.
  MountLocks(VolumeDirectory& directory, Runtime& runtime, std::unique_ptr<LockTable> table,
             Answer answer, Lost lost);

  // When the process before has ended. What was got through a file that is not open any more (by
  // `is_open`, of a handle) is over: that process may have ended between the two.
  void Load(const std::function<bool(uint64_t handle)>& is_open);
  void Start();
  // What is parked stays unanswered, for a successor. Idempotent.
  void Stop();

  // Each is answered later, from another thread.
  void Lock(const Request& request);
  void Unlock(const Request& request);
  // The owner has closed a file: its POSIX locks on the volume end. False: it had none, and the
  // request is not answered.
  bool Close(uint64_t unique, uint64_t volume_id, uint64_t owner);
  // Whether a program of this mount holds a POSIX lock on the volume, or one of an open file.
  bool HoldsRanges(uint64_t volume_id) const;
  // The open file is gone, and with it what was got through it.
  void Release(uint64_t volume_id, uint64_t handle);
  // Ends the wait for a lock with EINTR. False: that request waits for no lock.
  bool Interrupt(uint64_t unique);
  // A lock that keeps `wanted` out, of whatever node. May wait for somebody who serves.
  absl::StatusOr<std::optional<FileLock>> Find(uint64_t volume_id, const FileLock& wanted) const;
  // Another node has given back a lock of the volume.
  void Retry(uint64_t volume_id);

 private:
  enum class Kind { kLock, kUnlock, kClose, kRelease };
  struct Change {
    Kind kind;
    Request request;
  };
  struct Owed {
    Change change;
    absl::Duration until;
  };

  void Run();
  void Push(Change change);
  std::optional<Change> Next(bool is_told);
  std::optional<Change> Take(bool is_told) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void WakeWaiting() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool TellAll();
  void NoteLost(const std::vector<VolumeLocks>& lost);
  void EndOwed(bool is_told);
  void Carry(const Change& change);
  void GiveBack(const Change& change);
  void Grant(const Change& change);
  void Refuse(const Change& change);
  void GiveUpForConversion(const Request& request);
  void Postpone(const Change& change);
  void EndRequest(const Change& change, int error);
  FileLocks Held(uint64_t volume_id) const;
  bool Keep(uint64_t volume_id, const FileLocks& locks);

  VolumeDirectory& directory_;
  Runtime& runtime_;
  const std::unique_ptr<LockTable> table_;
  const Answer answer_;
  const Lost lost_;

  mutable absl::Mutex mutex_;  // never held over a call of directory_
  absl::CondVar changed_;
  absl::flat_hash_map<uint64_t, FileLocks> held_ ABSL_GUARDED_BY(mutex_);  // by volume
  std::deque<Change> queue_ ABSL_GUARDED_BY(mutex_);
  std::deque<Change> waiting_ ABSL_GUARDED_BY(mutex_);  // for locks that others hold
  std::deque<Owed> owed_ ABSL_GUARDED_BY(mutex_);  // given back, and not known to the owner yet
  absl::flat_hash_set<uint64_t> freed_ ABSL_GUARDED_BY(mutex_);  // volumes: somebody may go on
  uint64_t current_ ABSL_GUARDED_BY(mutex_) = 0;  // the request that is being carried out
  bool interrupted_ ABSL_GUARDED_BY(mutex_) = false;  // that one
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;

  // The thread's.
  uint64_t told_ = 0;  // who serves, as of VolumeDirectory::Serving, and knows all
  absl::Duration next_retry_ = absl::ZeroDuration();

  std::unique_ptr<Thread> thread_;
};

}  // namespace baton::fs
