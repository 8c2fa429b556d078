#include <absl/time/clock.h>

#include <string>

#include "cli/baton/commands.h"
#include "engine/base/boot_time.h"
#include "engine/base/status.h"

namespace baton {
namespace {

using control::ControllerStatus;
using control::Request;
using control::UpgradeStarted;

constexpr absl::Duration kHandoverLimit = absl::Minutes(1);
constexpr absl::Duration kAskInterval = absl::Milliseconds(50);

std::string DescribeUpgrade(const UpgradeStarted& upgrade) {
  return fmt::format(
      "version {} (process {}) handed over to version {} (process {}); requests waited {} ms",
      upgrade.old_version(), upgrade.old_pid(), upgrade.new_version(), upgrade.new_pid(),
      upgrade.waited_ms());
}

// The status of the process that serves after the old one. It need not be the one that was started
// for it: that one may have died, too.
absl::StatusOr<ControllerStatus> AwaitSuccessor(CommandContext& context, uint32_t old_pid) {
  Request request;
  request.mutable_status();
  const absl::Duration deadline = BootTime() + kHandoverLimit;
  while (BootTime() < deadline) {
    const absl::StatusOr<control::Response> response = context.client->Call(request);
    if (response.ok() && response->status().pid() != old_pid) return response->status();
    absl::SleepFor(kAskInterval);
  }
  return Error(absl::StatusCode::kDeadlineExceeded, "no other process serves after {}",
               absl::FormatDuration(kHandoverLimit));
}

absl::StatusOr<ExitCode> RunUpgrade(CommandContext& context) {
  Request request;
  request.mutable_upgrade();
  BATON_ASSIGN_OR_RETURN(const control::Response response, context.client->Call(request));
  UpgradeStarted upgrade = response.upgrade();
  BATON_ASSIGN_OR_RETURN(const ControllerStatus status, AwaitSuccessor(context, upgrade.old_pid()));
  if (status.pid() != upgrade.new_pid()) {
    return Error(absl::StatusCode::kAborted,
                 "process {} ended while it took over; process {} serves", upgrade.new_pid(),
                 status.pid());
  }
  upgrade.set_waited_ms(status.serving_after_ms());
  if (context.console.json()) {
    context.console.AnswerJson(upgrade);
  } else {
    context.console.Answer(DescribeUpgrade(upgrade));
  }
  return ExitCode::kDone;
}

}  // namespace

void AddUpgradeCommand(CLI::App& app, Command& chosen) {
  app.add_subcommand("upgrade", "hand over to the batond that is installed now; I/O goes on")
      ->callback([&chosen] { chosen = RunUpgrade; });
}

}  // namespace baton
