#include "engine/clone/copier.h"

#include <algorithm>

#include "engine/base/limits.h"
#include "engine/base/retry.h"

namespace baton {
namespace {

// What a worker waits when all that is left of a job is locked by others.
constexpr absl::Duration kBusyPause = absl::Milliseconds(1);
// A host counts as active for so long after its last request was seen.
constexpr absl::Duration kYieldFor = absl::Milliseconds(500);
// What a copy reads and writes at once while hosts are active, as a part of its buffer: a host's
// request waits for what the storage has begun.
constexpr uint64_t kYieldingPart = 8;

uint64_t YieldingBytes(uint64_t buffer_bytes) {
  const uint64_t part = buffer_bytes / kYieldingPart;
  return std::max(part - part % limits::kBlockBytes, limits::kBlockBytes);
}

bool HostIsActive(CopyJob& job) {
  const HostActivity source = job.run->source()->path.Activity();
  const HostActivity target = job.run->target()->path.Activity();
  const uint64_t completed = source.completed + target.completed;
  const bool moved = std::exchange(job.host_completed, completed) != completed;
  return moved || source.in_flight + target.in_flight > 0;
}

bool IsYielding(const CopyJob& job, absl::Duration now) { return now < job.yields_until; }

// Nobody may work on it before something changes.
bool IsOccupied(const CopyJob& job, absl::Duration now) {
  return job.finished || (IsYielding(job, now) && job.workers > 0);
}

absl::Duration StartOf(const CopyJob& job) {
  const absl::Duration start = std::max(job.not_before, job.throttle.NextStart());
  return job.pacer ? std::max(start, job.pacer->NextStart()) : start;
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
      yielding_bytes_(YieldingBytes(buffer_bytes)),
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
  job->pacer.reset();  // hosts are timed no more, whoever still has the job
}

void Copier::SetLatencyTarget(CopyJob& job, absl::Duration target) {
  absl::MutexLock guard(&mutex_);
  job.pacer.reset();
  if (target > absl::ZeroDuration()) job.pacer.emplace(job.run, target, runtime_.BootTime());
  changed_.SignalAll();
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
  while (true) {
    const Turn turn = Take();  // the job before is let go before this waits
    if (turn.job == nullptr) return;
    DoStep(turn, buffer.bytes());
  }
}

Copier::Turn Copier::Take() {
  absl::MutexLock guard(&mutex_);
  while (!stopping_) {
    const absl::Duration now = runtime_.BootTime();
    LookAtHosts(now);
    if (std::shared_ptr<CopyJob> job = PickReady(now)) {
      ++job->workers;
      return TurnOf(std::move(job), now);
    }
    const absl::Duration earliest = EarliestEvent(now);
    if (earliest == absl::InfiniteDuration()) {
      runtime_.Wait(changed_, mutex_);
    } else {
      runtime_.WaitUntil(changed_, mutex_, earliest);
    }
  }
  return {};
}

std::shared_ptr<CopyJob> Copier::PickReady(absl::Duration now) {
  if (held_) return nullptr;
  for (size_t tried = 0; tried < jobs_.size(); ++tried) {
    const std::shared_ptr<CopyJob>& job = jobs_[next_++ % jobs_.size()];
    if (!IsOccupied(*job, now) && now >= StartOf(*job)) return job;
  }
  return nullptr;
}

absl::Duration Copier::EarliestEvent(absl::Duration now) const {
  absl::Duration earliest = absl::InfiniteDuration();
  if (held_) return earliest;
  for (const std::shared_ptr<CopyJob>& job : jobs_) {
    if (job->pacer && !job->finished) earliest = std::min(earliest, job->pacer->next_look());
    // A host that goes idle lets more workers in.
    if (!job->finished) {
      earliest = std::min(earliest, IsOccupied(*job, now) ? job->yields_until : StartOf(*job));
    }
  }
  return earliest;
}

void Copier::LookAtHosts(absl::Duration now) {
  for (const std::shared_ptr<CopyJob>& job : jobs_) {
    if (job->pacer && !job->finished && now >= job->pacer->next_look()) job->pacer->Look(now);
  }
}

Copier::Turn Copier::TurnOf(std::shared_ptr<CopyJob> job, absl::Duration now) const {
  Turn turn = {nullptr, job->throttle.PieceBytes(), buffers_.buffer_bytes()};
  if (IsYielding(*job, now)) turn.piece_bytes = yielding_bytes_;
  turn.job = std::move(job);
  return turn;
}

void Copier::DoStep(const Turn& turn, MutableBytes buffer) {
  const std::shared_ptr<CopyJob>& job = turn.job;
  const absl::Duration begin = runtime_.BootTime();
  CloneRun::Attempt attempt;
  const absl::StatusOr<CloneRun::Step> result =
      job->run->CopyNext(turn.step_bytes, buffer.first(turn.piece_bytes), attempt);
  job->throttle.Spend(runtime_.BootTime(), attempt.bytes);
  const bool finished = Account(*job, attempt, result, runtime_.BootTime() - begin);
  if (finished) on_finished_(job, result.status());
  absl::MutexLock guard(&mutex_);
  --job->workers;
  changed_.SignalAll();
}

// Failures count by extent: that others are copied meanwhile says nothing about those that are not.
bool Copier::Account(CopyJob& job, const CloneRun::Attempt& attempt,
                     const absl::StatusOr<CloneRun::Step>& result, absl::Duration took) {
  const ExtentSpan span = attempt.span;
  absl::MutexLock guard(&mutex_);
  const absl::Duration now = runtime_.BootTime();
  if (job.pacer) job.pacer->Spend(now, attempt.bytes);
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
      if (HostIsActive(job)) job.yields_until = now + kYieldFor;
      if (IsYielding(job, now)) job.not_before = now + took;
      return false;
  }
  return false;
}

}  // namespace baton
