#include "cli/service/verify_jobs.h"

#include <utility>
#include <vector>

#include "cli/service/reply_budget.h"
#include "engine/base/status.h"

namespace baton::control {
namespace {

absl::Status NoSuchJob(uint64_t job) {
  return Error(absl::StatusCode::kNotFound,
               "verification {} is over without a result: it was cancelled, or its controller was "
               "replaced; start it again",
               job);
}

absl::StatusOr<VerifyJob> FinishedJob(uint64_t number, absl::StatusOr<VerifyReport> result) {
  if (!result.ok()) return result.status();
  VerifyJob answer;
  answer.set_job(number);
  answer.set_extents_done(result->extents_total());
  answer.set_extents_total(result->extents_total());
  answer.set_finished(true);
  *answer.mutable_report() = *std::move(result);
  ReplyBudget budget;
  answer.set_runs_left_out(CutRuns(budget, *answer.mutable_report()->mutable_differing()));
  return answer;
}

}  // namespace

VerifyJobs::~VerifyJobs() {
  absl::flat_hash_map<uint64_t, std::shared_ptr<Job>> jobs;
  {
    absl::MutexLock guard(&mutex_);
    jobs.swap(jobs_);
  }
  for (const auto& [number, job] : jobs) job->cancelled = true;
}

absl::StatusOr<VerifyJob> VerifyJobs::Start(const CloneName& request) {
  BATON_ASSIGN_OR_RETURN(const uint64_t clone_id, engine_.FindClone(request.clone()));
  ForgetAbandoned();
  auto job = std::make_shared<Job>();
  Touch(*job);
  VerifyJob answer;
  {
    absl::MutexLock guard(&mutex_);
    if (jobs_.size() >= kMaxJobs) {
      return Error(absl::StatusCode::kResourceExhausted,
                   "{} verifications run already; wait for one to end", kMaxJobs);
    }
    answer.set_job(next_job_++);
    job->thread =
        runtime_.StartThread("verify", [this, clone_id, raw = job.get()] { Run(*raw, clone_id); });
    jobs_.emplace(answer.job(), std::move(job));
  }
  return answer;
}

void VerifyJobs::Run(Job& job, uint64_t clone_id) {
  job.result = engine_.VerifyClone(clone_id, [this, &job](uint64_t done, uint64_t total) {
    job.done = done;
    job.total = total;
    return IsWanted(job);
  });
  job.finished = true;
}

absl::StatusOr<VerifyJob> VerifyJobs::Poll(const JobName& request) {
  std::shared_ptr<Job> job;
  bool finished = false;
  {
    absl::MutexLock guard(&mutex_);
    const auto found = jobs_.find(request.job());
    if (found == jobs_.end()) return NoSuchJob(request.job());
    job = found->second;
    finished = job->finished;
    if (finished) jobs_.erase(found);
  }
  if (finished) return FinishedJob(request.job(), *job->result);
  Touch(*job);
  VerifyJob answer;
  answer.set_job(request.job());
  answer.set_extents_done(job->done);
  answer.set_extents_total(job->total);
  return answer;
}

absl::StatusOr<Done> VerifyJobs::Cancel(const JobName& request) {
  std::shared_ptr<Job> job;
  {
    absl::MutexLock guard(&mutex_);
    const auto found = jobs_.find(request.job());
    if (found == jobs_.end()) return NoSuchJob(request.job());
    job = std::move(found->second);
    jobs_.erase(found);
  }
  job->cancelled = true;
  return Done();  // waits for the thread, outside the lock
}

bool VerifyJobs::IsWanted(const Job& job) const {
  const absl::Duration last_poll = absl::Nanoseconds(job.last_poll_ns.load());
  return !job.cancelled && runtime_.BootTime() - last_poll < kAbandoned;
}

void VerifyJobs::Touch(Job& job) const {
  job.last_poll_ns = absl::ToInt64Nanoseconds(runtime_.BootTime());
}

void VerifyJobs::ForgetAbandoned() {
  std::vector<std::shared_ptr<Job>> forgotten;  // their threads have ended or are about to
  absl::MutexLock guard(&mutex_);
  for (auto job = jobs_.begin(); job != jobs_.end();) {
    const auto current = job++;
    if (IsWanted(*current->second)) continue;
    forgotten.push_back(std::move(current->second));
    jobs_.erase(current);
  }
}

}  // namespace baton::control
