// Verifications that run while the client polls for their progress.
#pragma once

#include <absl/base/thread_annotations.h>
#include <absl/container/flat_hash_map.h>
#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/synchronization/mutex.h>
#include <absl/time/time.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "cli/control/control.pb.h"
#include "engine/base/random.h"
#include "engine/base/runtime.h"
#include "engine/engine.h"

namespace baton::control {

// A job a thread, at most kMaxJobs. A job that nobody polls for kAbandoned gives up: its client is
// gone. Thread-safe; the destructor cancels all jobs and waits for them.
class VerifyJobs {
 public:
  static constexpr size_t kMaxJobs = 4;
  static constexpr absl::Duration kAbandoned = absl::Seconds(30);

  // Processes begin to count their jobs at random. A client may go on asking after the process that
  // knows its job has been replaced: it must not be answered with another job's result.
  VerifyJobs(Engine& engine, Runtime& runtime, uint64_t first_job = RandomNumber())
      : engine_(engine), runtime_(runtime), next_job_(first_job) {}
  ~VerifyJobs();

  absl::StatusOr<VerifyJob> Start(const CloneName& request);
  // Once it is finished: the report, or why there is none. The job is forgotten with that answer.
  absl::StatusOr<VerifyJob> Poll(const JobName& request);
  absl::StatusOr<Done> Cancel(const JobName& request);

 private:
  struct Job {
    std::atomic<uint64_t> done{0};
    std::atomic<uint64_t> total{0};
    std::atomic<bool> cancelled{false};
    std::atomic<int64_t> last_poll_ns{0};
    std::atomic<bool> finished{false};
    std::optional<absl::StatusOr<VerifyReport>> result;  // set before `finished`
    std::unique_ptr<Thread> thread;                      // last: its end is waited for first
  };

  void Run(Job& job, uint64_t clone_id);
  bool IsWanted(const Job& job) const;
  void Touch(Job& job) const;
  void ForgetAbandoned();

  Engine& engine_;
  Runtime& runtime_;
  absl::Mutex mutex_;
  uint64_t next_job_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<uint64_t, std::shared_ptr<Job>> jobs_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace baton::control
