#include "cli/batond/status_reporter.h"

#include <unistd.h>

#include <filesystem>
#include <utility>

#include "cli/control/issues.h"
#include "cli/control/names_of.h"
#include "engine/base/status.h"

namespace baton {

using control::IssueKind;

StatusReporter::StatusReporter(Runtime& runtime, Facts facts, Sources sources)
    : runtime_(runtime),
      started_(runtime.BootTime()),
      facts_(std::move(facts)),
      sources_(std::move(sources)) {}

control::ControllerStatus StatusReporter::Describe() const {
  control::ControllerStatus status;
  status.set_node(facts_.node);
  if (!sources_.end.fault().ok()) {
    AddProblem(IssueKind::kOther, Message(sources_.end.fault()), status);
  }
  if (const PoolRole* const role = sources_.role.get()) role->Describe(status);
  DescribeSpace(status);
  DescribeWriteLog(status);
  if (!facts_.pause_warning.empty()) {
    AddWarning(IssueKind::kVirtualMachine, facts_.pause_warning, status);
  }
  const std::string pauses = sources_.pauses.Warning();
  if (!pauses.empty()) AddWarning(IssueKind::kPaused, pauses, status);
  status.set_version(BATON_VERSION);
  status.set_pid(static_cast<uint32_t>(::getpid()));
  status.set_pool(std::filesystem::absolute(facts_.pool).lexically_normal());
  status.set_pool_id(facts_.record.pool_id());
  status.set_mount(facts_.mount);
  status.set_durability(NameOf(facts_.record.durability()));
  status.set_uptime_seconds(
      static_cast<uint64_t>(absl::ToInt64Seconds(runtime_.BootTime() - started_)));
  status.set_garbled_messages(sources_.garbled_messages);
  const uint32_t keeper_pid = sources_.keeper_client.keeper_pid();
  status.set_keeper_pid(keeper_pid);
  if (keeper_pid == 0) {
    AddProblem(IssueKind::kNoKeeper, "there is no keeper: start batond again", status);
  }
  if (const auto session = sources_.session.get()) status.set_open_files(session->OpenFiles());
  const std::string http_problem = sources_.http_problem.Get();
  if (!http_problem.empty()) AddWarning(IssueKind::kHttp, "http: " + http_problem, status);
  sources_.succession.Describe(status);
  return status;
}

void StatusReporter::DescribeSpace(control::ControllerStatus& status) const {
  const SpaceStatus space = sources_.space.Describe();
  status.set_pool_total_bytes(space.pool.total_bytes);
  status.set_pool_free_bytes(space.pool.free_bytes);
  status.set_reserve_bytes(space.pool.reserve_bytes);
  if (space.time_to_full < absl::InfiniteDuration()) {
    status.set_pool_full_in_seconds(
        static_cast<uint64_t>(absl::ToInt64Seconds(space.time_to_full)) + 1);
  }
  for (const std::string& text : space.critical) {
    AddProblem(IssueKind::kSpace, "space: " + text, status);
  }
  for (const std::string& text : space.warnings) {
    AddWarning(IssueKind::kSpace, "space: " + text, status);
  }
}

void StatusReporter::DescribeWriteLog(control::ControllerStatus& status) const {
  std::optional<WriteLogStatus> log = sources_.write_log();
  if (!log) return;
  if (!log->problem().empty()) {
    AddProblem(IssueKind::kWriteLog,
               "write log: storage does not take what hosts wrote: " + log->problem(), status);
  }
  *status.mutable_write_log() = *std::move(log);
}

}  // namespace baton
