// The background copier: a few threads that copy what no host write has asked for yet.
#pragma once

#include <absl/synchronization/mutex.h>

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "engine/base/runtime.h"
#include "engine/clone/clone_run.h"
#include "engine/clone/latency_pacer.h"
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
  absl::Duration yields_until;   // hosts were active a short time ago
  std::optional<LatencyPacer> pacer;
  absl::Duration not_before;    // no step begins earlier
  uint64_t host_completed = 0;  // what the host had done at the last look
};

// Takes the jobs in turn, one step (see CloneRun::CopyNext) at a time. It yields to hosts: while
// there is host I/O on a job's volumes, and for half a second after it, one thread works on it at
// most, half of the time, and reads and writes in small pieces. A job with a latency target keeps
// to its LatencyPacer besides. Extents that cannot be copied are tried limits::kCopyAttempts times,
// with growing pauses, whatever becomes of others meanwhile. Thread-safe.
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
  // Takes effect at once, also before Add. Zero: none.
  void SetLatencyTarget(CopyJob& job, absl::Duration target);
  // A rate or the like has changed: look again.
  void Wake();
  // No step is begun until StartSteps. REQUIRES: no job was added.
  void HoldSteps();
  void StartSteps();

 private:
  void Work();
  // A step of a job that may have one now, and how large it is.
  struct Turn {
    std::shared_ptr<CopyJob> job;
    uint64_t step_bytes = 0;
    uint64_t piece_bytes = 0;  // what it reads and writes at once
  };
  // The next one; waits for it. Without a job: stop.
  Turn Take();
  Turn TurnOf(std::shared_ptr<CopyJob> job, absl::Duration now) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::shared_ptr<CopyJob> PickReady(absl::Duration now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // When there may be something to do.
  absl::Duration EarliestEvent(absl::Duration now) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void LookAtHosts(absl::Duration now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void DoStep(const Turn& turn, MutableBytes buffer);
  // True when the job is finished with `result`.
  bool Account(CopyJob& job, const CloneRun::Attempt& attempt,
               const absl::StatusOr<CloneRun::Step>& result, absl::Duration took);

  Runtime& runtime_;
  const OnFinished on_finished_;
  const uint64_t yielding_bytes_;
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
