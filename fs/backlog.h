// Requests that were read from the kernel while every worker was busy.
#pragma once

#include <absl/base/thread_annotations.h>
#include <absl/synchronization/mutex.h>

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "engine/base/bytes.h"
#include "engine/base/runtime.h"
#include "fs/asker.h"
#include "fs/mount_settings.h"
#include "fs/slow_requests.h"

namespace baton::fs {

// Decides which thread serves what it has read. There is one thread more than may serve at one
// time, so that one reads also while all others wait for somebody who serves: what interrupts a
// request comes the same way as requests, and nobody can read only that. A request that nobody may
// serve yet is kept here as a copy, and taken by the thread that is free first. While nothing waits
// that thread does not read, so that nothing is copied however much comes. What
// MountLocks takes never waits here, because it holds no worker: locks, and FUSE_FLUSH, for whose
// answer a process that closes a file, and so each one that is being killed, waits whatever
// happens.
//
// Thread-safe. A request that is not kept costs three operations on one atomic number: no mutex and
// no allocation.
class Backlog {
 public:
  // At most `most_served` requests are served at one time, not counting what never waits here.
  Backlog(Runtime& runtime, size_t most_served) : runtime_(runtime), most_served_(most_served) {}

  enum class Admitted {
    kServe,      // the caller serves it, and then what Next gives
    kServeKept,  // it is kept; the caller serves what Next gives
    kKept,       // it is kept, or after Close left unanswered; the caller reads on
  };
  // For a request that was just read. Waits while there is no room for it.
  Admitted Admit(Bytes request);
  // What Next has taken out, beside its bytes.
  struct Taken {
    size_t length = 0;
    bool interrupted = false;
    absl::Duration queued;  // for how long it was kept
  };
  // The caller has nothing to serve. Copies the oldest one that is kept to `room`, of at least
  // limits::kMaxRequestBytes and a page. Length 0: there is none, or no more are to be served; the
  // caller serves nothing any more.
  Taken Next(MutableBytes room);
  // For the thread more: waits until requests wait, or Close.
  void AwaitNeed();
  // Whether requests wait.
  void SetNeed(bool need);
  // Nothing that is kept will be served: the kernel delivers it to the next session again. For
  // good.
  void Close();

  // What is kept of a request, to find out about it without the mutex.
  struct Kept {
    uint64_t unique = 0;  // as it was first sent
    Asker asker;
    // A change that an earlier process may have sent to whoever served: that is in doubt.
    bool in_doubt = false;
  };
  // The request `unique` was interrupted. nullopt: it is not here.
  std::optional<Kept> Interrupt(uint64_t unique);
  // At most `most`, beginning after where the last call ended; again from the first one after the
  // last.
  std::vector<Kept> Some(size_t most);
  // Keeps what was found out of the asker.
  void Remember(const Kept& kept);
  // Takes it out without serving it. Returns its number as the kernel knows it, 0: it is not here.
  uint64_t Remove(uint64_t unique);

  // Requests for content that are kept and came before `before`, the oldest first, at most `most`.
  std::vector<SlowRequest> IoSince(absl::Duration before, size_t most) const;

  bool empty() const { return count_ == 0; }
  size_t size() const { return count_; }

 private:
  struct Entry {
    std::unique_ptr<std::byte[]> bytes;
    size_t length = 0;
    uint64_t received_unique = 0;
    Kept kept;
    bool interrupted = false;
    absl::Duration came;
  };

  Entry MakeEntry(Bytes request) const;
  // One more is served, if it may be.
  bool Claim();
  // Nothing more is served by the caller, unless there is something after all: then true.
  bool Unclaim();
  Entry TakeFirst();
  bool HasRoom(size_t length) const ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  std::deque<Entry>::iterator Find(uint64_t unique) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Shrink(size_t length) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  Runtime& runtime_;
  const size_t most_served_;
  mutable absl::Mutex mutex_;
  absl::CondVar room_;
  absl::CondVar needed_;
  std::deque<Entry> entries_ ABSL_GUARDED_BY(mutex_);
  size_t bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  size_t looked_at_ ABSL_GUARDED_BY(mutex_) = 0;  // index at which Some goes on
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  bool need_ ABSL_GUARDED_BY(mutex_) = false;
  // Who keeps a request looks at served_ after that, and who has served one looks at count_ after
  // that: one of the two sees the other, so that nothing is kept while a thread could serve it.
  std::atomic<size_t> count_ = 0;  // of entries_
  alignas(kCacheLineBytes) std::atomic<size_t> served_ = 0;
};

}  // namespace baton::fs
