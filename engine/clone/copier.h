// The background copier: a few threads that copy what no host write has asked for yet.
#pragma once

#include <absl/synchronization/mutex.h>

#include <functional>
#include <memory>
#include <vector>

#include "engine/base/runtime.h"
#include "engine/clone/clone_run.h"
#include "engine/clone/throttle.h"

namespace baton {

// A run in the copier's hands.
struct CopyJob {
  CopyJob(uint64_t id, std::shared_ptr<CloneRun> clone_run, uint64_t bytes_per_second)
      : clone_id(id), run(std::move(clone_run)), throttle(bytes_per_second) {}

  const uint64_t clone_id;
  const std::shared_ptr<CloneRun> run;
  Throttle throttle;

  // The rest belongs to the copier, under its lock.
  int workers = 0;  // inside a step of this job
  struct Failing {
    ExtentSpan span;
    int attempts = 0;
  };
  std::vector<Failing> failing;  // what could not be copied yet; a few at most
  bool finished = false;         // reported
  bool yielding = false;         // hosts were active at the last look
  absl::Duration not_before;     // no step begins earlier
  uint64_t host_completed = 0;   // what the host had done at the last look
};

// Takes the jobs in turn, one step (see CloneRun::CopyNext) at a time. It yields to hosts: while
// there is host I/O on a job's volumes, one thread works on it at most, half of the time.
// Extents that cannot be copied are tried limits::kCopyAttempts times, with growing pauses,
// whatever becomes of others meanwhile. Thread-safe.
class Copier {
 public:
  // Called from a copier's thread without a lock, once for each job that was added: the job is
  // done (OK: nothing is pending) or has failed for good. It stays until it is removed.
  using OnFinished = std::function<void(const std::shared_ptr<CopyJob>&, const absl::Status&)>;

  // `buffer_bytes`: what one step reads and writes at once.
  Copier(Runtime& runtime, int workers, size_t buffer_bytes, OnFinished on_finished);
  ~Copier() { Stop(); }

  // Steps in progress are finished, and none is begun any more.
  void Stop();

  void Add(std::shared_ptr<CopyJob> job);
  // Returns when no thread works on the job. Nothing happens when it is not there.
  void Remove(const std::shared_ptr<CopyJob>& job);
  // A rate or the like has changed: look again.
  void Wake();
  // No step is begun until StartSteps. REQUIRES: no job was added.
  void HoldSteps();
  void StartSteps();

 private:
  void Work();
  // The next job that may have a step now; waits for one. Null: stop.
  std::shared_ptr<CopyJob> Take();
  std::shared_ptr<CopyJob> PickReady() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Duration EarliestStart() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void DoStep(const std::shared_ptr<CopyJob>& job, MutableBytes buffer);
  // True when the job is finished with `result`.
  bool Account(CopyJob& job, ExtentSpan span, const absl::StatusOr<CloneRun::Step>& result,
               absl::Duration took);

  Runtime& runtime_;
  const OnFinished on_finished_;
  absl::Mutex mutex_;
  absl::CondVar changed_;
  std::vector<std::shared_ptr<CopyJob>> jobs_ ABSL_GUARDED_BY(mutex_);
  size_t next_ ABSL_GUARDED_BY(mutex_) = 0;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  bool held_ ABSL_GUARDED_BY(mutex_) = false;
  BufferPool buffers_;
  std::vector<std::unique_ptr<Thread>> threads_;
};

}  // namespace baton
