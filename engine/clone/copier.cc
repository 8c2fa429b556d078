#include "engine/clone/copier.h"

#include <algorithm>

#include "engine/base/limits.h"
#include "engine/base/retry.h"

namespace baton {
namespace {

// What a worker waits when all that is left of a job is locked by others.
constexpr absl::Duration kBusyPause = absl::Milliseconds(1);

bool HostIsActive(CopyJob& job) {
  const HostActivity source = job.run->source()->path.Activity();
  const HostActivity target = job.run->target()->path.Activity();
  const uint64_t completed = source.completed + target.completed;
  const bool moved = std::exchange(job.host_completed, completed) != completed;
  return moved || source.in_flight + target.in_flight > 0;
}

bool Overlap(ExtentSpan a, ExtentSpan b) { return a.first < b.end() && b.first < a.end(); }

// How many attempts at what `span` has of extents that fail have failed, with this one.
int CountFailure(CopyJob& job, ExtentSpan span) {
  for (CopyJob::Failing& failing : job.failing) {
    if (!Overlap(failing.span, span)) continue;
    failing.span = span;
    return ++failing.attempts;
  }
  job.failing.push_back({span, 1});
  return 1;
}

}  // namespace

Copier::Copier(Runtime& runtime, int workers, size_t buffer_bytes, OnFinished on_finished)
    : runtime_(runtime),
      on_finished_(std::move(on_finished)),
      buffers_(runtime, workers, buffer_bytes) {
  for (int i = 0; i < workers; ++i) {
    threads_.push_back(runtime_.StartThread(fmt::format("copier-{}", i), [this] { Work(); }));
  }
}

void Copier::Stop() {
  {
    absl::MutexLock guard(&mutex_);
    stopping_ = true;
    changed_.SignalAll();
  }
  threads_.clear();
}

void Copier::Add(std::shared_ptr<CopyJob> job) {
  absl::MutexLock guard(&mutex_);
  jobs_.push_back(std::move(job));
  changed_.SignalAll();
}

void Copier::Remove(const std::shared_ptr<CopyJob>& job) {
  absl::MutexLock guard(&mutex_);
  std::erase(jobs_, job);
  while (job->workers > 0) runtime_.Wait(changed_, mutex_);
}

void Copier::Wake() {
  absl::MutexLock guard(&mutex_);
  changed_.SignalAll();
}

void Copier::HoldSteps() {
  absl::MutexLock guard(&mutex_);
  held_ = true;
}

void Copier::StartSteps() {
  absl::MutexLock guard(&mutex_);
  held_ = false;
  changed_.SignalAll();
}

void Copier::Work() {
  const BufferPool::Handle buffer = buffers_.Acquire();
  while (const std::shared_ptr<CopyJob> job = Take()) DoStep(job, buffer.bytes());
}

std::shared_ptr<CopyJob> Copier::Take() {
  absl::MutexLock guard(&mutex_);
  while (!stopping_) {
    if (std::shared_ptr<CopyJob> job = PickReady()) {
      ++job->workers;
      return job;
    }
    const absl::Duration earliest = EarliestStart();
    if (earliest == absl::InfiniteDuration()) {
      runtime_.Wait(changed_, mutex_);
    } else {
      runtime_.WaitUntil(changed_, mutex_, earliest);
    }
  }
  return nullptr;
}

std::shared_ptr<CopyJob> Copier::PickReady() {
  if (held_) return nullptr;
  const absl::Duration now = runtime_.BootTime();
  for (size_t tried = 0; tried < jobs_.size(); ++tried) {
    const std::shared_ptr<CopyJob>& job = jobs_[next_++ % jobs_.size()];
    if (job->finished || now < std::max(job->not_before, job->throttle.NextStart())) continue;
    if (job->yielding && job->workers > 0) continue;
    return job;
  }
  return nullptr;
}

absl::Duration Copier::EarliestStart() const {
  if (held_) return absl::InfiniteDuration();
  absl::Duration earliest = absl::InfiniteDuration();
  for (const std::shared_ptr<CopyJob>& job : jobs_) {
    if (job->finished || (job->yielding && job->workers > 0)) continue;
    earliest = std::min(earliest, std::max(job->not_before, job->throttle.NextStart()));
  }
  return earliest;
}

void Copier::DoStep(const std::shared_ptr<CopyJob>& job, MutableBytes buffer) {
  const absl::Duration begin = runtime_.BootTime();
  CloneRun::Attempt attempt;
  const absl::StatusOr<CloneRun::Step> result =
      job->run->CopyNext(job->throttle.PieceBytes(), buffer, attempt);
  job->throttle.Spend(runtime_.BootTime(), attempt.bytes);
  const bool finished = Account(*job, attempt.span, result, runtime_.BootTime() - begin);
  if (finished) on_finished_(job, result.status());
  absl::MutexLock guard(&mutex_);
  --job->workers;
  changed_.SignalAll();
}

// Failures count by extent: that others are copied meanwhile says nothing about those that are not.
bool Copier::Account(CopyJob& job, ExtentSpan span, const absl::StatusOr<CloneRun::Step>& result,
                     absl::Duration took) {
  absl::MutexLock guard(&mutex_);
  const absl::Duration now = runtime_.BootTime();
  if (job.finished) return false;
  if (!result.ok()) {
    const int failures = CountFailure(job, span);
    job.not_before = now + PauseAfter(failures);
    job.finished = failures >= limits::kCopyAttempts || !IsWorthRepeating(result.status());
    return job.finished;
  }
  switch (*result) {
    case CloneRun::Step::kDone:
      job.finished = true;
      return true;
    case CloneRun::Step::kBusy:
      job.not_before = now + kBusyPause;
      return false;
    case CloneRun::Step::kCopied:
      std::erase_if(job.failing, [&](const auto& failing) { return Overlap(failing.span, span); });
      job.yielding = HostIsActive(job);
      if (job.yielding) job.not_before = now + took;
      return false;
  }
  return false;
}

}  // namespace baton
