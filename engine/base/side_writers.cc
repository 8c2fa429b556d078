#include "engine/base/side_writers.h"

#include <absl/container/inlined_vector.h>
#include <pthread.h>

#include <algorithm>
#include <system_error>
#include <utility>

#include "engine/base/signals_blocked.h"

namespace baton {
namespace {

absl::Status CarryOut(const SideWrite& write) {
  return write.file->Write(write.offset, write.data, WriteMode::kDurable);
}

}  // namespace

SideWriters::~SideWriters() {
  std::vector<std::thread> helpers;
  {
    absl::MutexLock lock(&mutex_);
    ending_ = true;
    wanted_.SignalAll();
    helpers.swap(helpers_);
  }
  for (std::thread& helper : helpers) helper.join();
}

absl::Status SideWriters::WriteAll(std::span<const SideWrite> writes) {
  if (writes.empty()) return absl::OkStatus();
  Call call;
  absl::InlinedVector<Job, 4> jobs;
  for (const SideWrite& write : writes.subspan(1)) {
    jobs.push_back({&write, &call, absl::OkStatus()});
  }
  call.unfinished = jobs.size();
  if (!jobs.empty()) Enqueue({jobs.data(), jobs.size()});
  absl::Status status = CarryOut(writes.front());
  while (Job* const own = TakeOwn(call)) Finish(*own, CarryOut(*own->write));
  {
    absl::MutexLock lock(&mutex_);
    while (call.unfinished > 0) call.done.Wait(&mutex_);
  }
  for (const Job& job : jobs) status.Update(job.result);
  return status;
}

void SideWriters::Enqueue(std::span<Job> jobs) {
  absl::MutexLock lock(&mutex_);
  for (Job& job : jobs) {
    waiting_.push_back(&job);
    if (waiting_.size() > idle_ && helpers_.size() < kMaxHelpers) StartHelper();
    wanted_.Signal();
  }
}

// Where there can be no further thread, the callers do it.
void SideWriters::StartHelper() {
  const SignalsBlocked blocked;  // the thread inherits that
  try {
    helpers_.emplace_back([this] { Help(); });
  } catch (const std::system_error&) {
    return;
  }
}

// The job of `call` that was queued last and that no helper has begun, or null.
SideWriters::Job* SideWriters::TakeOwn(const Call& call) {
  absl::MutexLock lock(&mutex_);
  const auto found = std::find_if(waiting_.rbegin(), waiting_.rend(),
                                  [&](const Job* job) { return job->call == &call; });
  if (found == waiting_.rend()) return nullptr;
  Job* const job = *found;
  waiting_.erase(std::next(found).base());
  return job;
}

void SideWriters::Finish(Job& job, absl::Status result) {
  absl::MutexLock lock(&mutex_);
  job.result = std::move(result);
  if (--job.call->unfinished == 0) job.call->done.Signal();
}

void SideWriters::Help() {
  pthread_setname_np(pthread_self(), "side-write");
  while (true) {
    Job* job = nullptr;
    {
      absl::MutexLock lock(&mutex_);
      ++idle_;
      while (waiting_.empty() && !ending_) wanted_.Wait(&mutex_);
      --idle_;
      if (waiting_.empty()) return;
      job = waiting_.front();
      waiting_.pop_front();
    }
    Finish(*job, CarryOut(*job->write));
  }
}

}  // namespace baton
