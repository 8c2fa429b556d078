// verify: a job in the controller whose progress is polled.
#include "cli/baton/clone_verify.h"

#include <absl/time/clock.h>

#include <string>

#include "cli/baton/clone_arguments.h"
#include "cli/baton/clone_calls.h"
#include "cli/baton/clone_text.h"
#include "cli/baton/commands.h"
#include "cli/baton/interrupt.h"
#include "engine/base/status.h"

namespace baton {
namespace {

using control::Request;
using control::Response;
using control::VerifyJob;

constexpr absl::Duration kPollInterval = absl::Milliseconds(100);

absl::StatusOr<VerifyJob> StartVerification(CommandContext& context, const std::string& id) {
  Request request;
  request.mutable_verify_start()->set_clone(id);
  BATON_ASSIGN_OR_RETURN(const Response response, context.client->Call(request));
  return response.verify();
}

absl::StatusOr<VerifyJob> PollVerification(CommandContext& context, uint64_t job) {
  Request request;
  request.mutable_verify_poll()->set_job(job);
  BATON_ASSIGN_OR_RETURN(const Response response, context.client->Call(request));
  return response.verify();
}

absl::Status CancelVerification(CommandContext& context, uint64_t job) {
  Request request;
  request.mutable_verify_cancel()->set_job(job);
  BATON_RETURN_IF_ERROR(context.client->Call(request).status());
  return Error(absl::StatusCode::kCancelled, "interrupted; the verification was cancelled");
}

absl::StatusOr<VerifyJob> FinishVerification(CommandContext& context, VerifyJob job) {
  while (!job.finished()) {
    SleepUnlessInterrupted(kPollInterval);
    if (Interrupted()) return CancelVerification(context, job.job());
    BATON_ASSIGN_OR_RETURN(job, PollVerification(context, job.job()));
    context.console.ShowProgress(
        fmt::format("verifying: {} of {} extents", job.extents_done(), job.extents_total()));
  }
  return job;
}

void AnswerReport(Console& console, const VerifyJob& job) {
  const VerifyReport& report = job.report();
  if (console.json()) {
    console.AnswerJson(report);
  } else {
    for (const ExtentRun& run : report.differing()) {
      console.Answer(fmt::format("differs  {}", FormatRun(run)));
    }
  }
  if (job.runs_left_out() > 0) {
    console.Complain(fmt::format("{} more runs of extents are not listed", job.runs_left_out()));
  }
}

// An answer about another clone is none, whoever gives it.
absl::Status CheckIsAbout(uint64_t clone_id, const VerifyReport& report) {
  if (report.id() == clone_id) return absl::OkStatus();
  return Error(absl::StatusCode::kInternal,
               "clone {} was to be verified, and the controller tells of clone {}: verify it again",
               clone_id, report.id());
}

absl::StatusOr<ExitCode> VerifyClone(CommandContext& context, const std::string& id) {
  BATON_ASSIGN_OR_RETURN(const CloneStatus clone, CallCloneStatus(*context.client, id));
  CatchInterrupts();
  BATON_ASSIGN_OR_RETURN(const VerifyJob job, CallVerify(context, CloneNumber(clone.id())));
  const VerifyReport& report = job.report();
  BATON_RETURN_IF_ERROR(CheckIsAbout(clone.id(), report));
  AnswerReport(context.console, job);
  if (report.extents_differing() > 0) {
    return Error(absl::StatusCode::kFailedPrecondition,
                 "clone {}: {} of {} extents differ from T0: written by a host since, or damaged",
                 report.id(), report.extents_differing(), report.extents_total());
  }
  context.console.Confirm(fmt::format("clone {}: {} extents are as at T0, certificate {}",
                                      report.id(), report.extents_checked(), report.certificate()));
  return ExitCode::kDone;
}

}  // namespace

absl::StatusOr<VerifyJob> CallVerify(CommandContext& context, const std::string& id) {
  BATON_ASSIGN_OR_RETURN(const VerifyJob started, StartVerification(context, id));
  absl::StatusOr<VerifyJob> job = FinishVerification(context, started);
  context.console.EndProgress();
  return job;
}

void AddCloneVerify(CLI::App& clone, Command& chosen) {
  CLI::App* verify = clone.add_subcommand("verify", "compare the target with T0 (1: it differs)");
  auto id = std::make_shared<std::string>();
  AddCloneId(*verify, *id);
  verify->callback([id, &chosen] {
    chosen = [id](CommandContext& context) { return VerifyClone(context, *id); };
  });
}

}  // namespace baton
