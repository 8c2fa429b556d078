#include "ha/node/storage_jobs.h"

#include <memory>
#include <optional>
#include <utility>

namespace baton::ha {
namespace {

// How long storage may take for what a peer or a command asks of a standby.
constexpr absl::Duration kStoragePatience = absl::Seconds(3);

}  // namespace

// Beside `work` it is guarded by the lock of its StorageJobs.
struct StorageJobs::Job {
  std::function<absl::Status()> work;
  std::optional<absl::Status> result;
  bool given_up = false;
};

absl::Status StorageJobs::Do(std::function<absl::Status()> work) {
  const auto job = std::make_shared<Job>();
  job->work = std::move(work);
  queue_.Do([this, job] { Run(*job); });
  absl::MutexLock lock(&mutex_);
  const absl::Duration deadline = runtime_.BootTime() + kStoragePatience;
  while (!job->result && !stopping_ && runtime_.BootTime() < deadline) {
    runtime_.WaitUntil(changed_, mutex_, deadline);
  }
  if (job->result) return *job->result;
  job->given_up = true;
  return absl::UnavailableError("its storage does not answer");
}

void StorageJobs::Run(Job& job) {
  {
    absl::MutexLock lock(&mutex_);
    if (job.given_up) return;
  }
  absl::Status status = job.work();
  absl::MutexLock lock(&mutex_);
  job.result = std::move(status);
  changed_.SignalAll();
}

void StorageJobs::StopWaiting() {
  absl::MutexLock lock(&mutex_);
  stopping_ = true;
  changed_.SignalAll();
}

}  // namespace baton::ha
