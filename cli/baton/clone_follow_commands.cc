// wait, watch, run: commands that stay until a clone is over.
#include <absl/time/clock.h>

#include <algorithm>
#include <optional>
#include <string>

#include "cli/baton/arguments.h"
#include "cli/baton/clone_arguments.h"
#include "cli/baton/clone_calls.h"
#include "cli/baton/clone_follow.h"
#include "cli/baton/clone_text.h"
#include "cli/baton/commands.h"
#include "cli/baton/extent_map.h"
#include "cli/baton/interrupt.h"
#include "cli/baton/progress_meter.h"
#include "engine/base/boot_time.h"
#include "engine/base/names.h"
#include "engine/base/status.h"

namespace baton {
namespace {

constexpr double kMaxWaitSeconds = 366 * 86400;
constexpr absl::Duration kWatchInterval = absl::Milliseconds(500);

struct WaitArguments {
  std::string id;
  std::optional<double> timeout_seconds;
};

// What the extents of a clone look like now; empty when that cannot be told.
std::string ExtentCells(CommandContext& context, const CloneStatus& clone, size_t width) {
  const auto answer = CallResidual(*context.client, CloneNumber(clone.id()), true);
  if (!answer.ok() || answer->runs_left_out() > 0) return {};
  return ExtentMap(answer->residual(), clone.extents_total(), width);
}

class ProgressLine {
 public:
  explicit ProgressLine(CommandContext& context) : context_(context) {}
  ~ProgressLine() { context_.console.EndProgress(); }
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

  void Show(const CloneStatus& clone, const std::string& cells = {}) {
    meter_.Add(BootTime(), CopiedBytes(clone), clone.size_bytes());
    context_.console.ShowProgress(Label(clone) + meter_.Line(WidthBeside(clone), cells));
  }
  // Columns that `cells` should have.
  size_t BarWidth(const CloneStatus& clone) const {
    return ProgressMeter::BarWidth(WidthBeside(clone));
  }

 private:
  static std::string Label(const CloneStatus& clone) {
    return fmt::format("{} {}  ", clone.target(), clone.state());
  }
  size_t WidthBeside(const CloneStatus& clone) const {
    const size_t width = context_.console.width() - 1;  // the last column would wrap
    return width - std::min(width, Label(clone).size());
  }

  CommandContext& context_;
  ProgressMeter meter_;
};

absl::StatusOr<ExitCode> WaitForClone(CommandContext& context, const WaitArguments& arguments) {
  FollowOptions options;
  if (arguments.timeout_seconds) {
    options.deadline = BootTime() + absl::Seconds(*arguments.timeout_seconds);
  }
  ProgressLine line(context);
  BATON_ASSIGN_OR_RETURN(
      const CloneStatus clone,
      FollowClone(context, arguments.id, options, [&](const CloneStatus& now) { line.Show(now); }));
  if (context.console.json()) context.console.AnswerJson(clone);
  BATON_RETURN_IF_ERROR(CheckCompleted(clone));
  return ExitCode::kDone;
}

// One line of JSON, or of text where no terminal is, for each change.
void ReportChange(CommandContext& context, const CloneStatus& clone) {
  if (context.console.json()) return context.console.AnswerJsonLine(clone);
  if (context.console.shows_progress()) return;
  context.console.Answer(fmt::format("{} {}  {} copied, {} pending, {} copying, {} landing",
                                     Title(clone), clone.state(), PercentCopied(clone),
                                     clone.extents_pending(), clone.extents_copying(),
                                     clone.extents_landing()));
}

absl::StatusOr<ExitCode> WatchClone(CommandContext& context, const std::string& id) {
  CatchInterrupts();
  std::optional<ProgressLine> line(context);
  std::string shown;
  const auto show = [&](const CloneStatus& clone) {
    const std::string bytes = clone.SerializeAsString();
    if (bytes != shown) ReportChange(context, clone);
    shown = bytes;
    if (!context.console.shows_progress()) return;
    line->Show(clone, ExtentCells(context, clone, line->BarWidth(clone)));
  };
  const auto clone = FollowClone(context, id, {.interval = kWatchInterval}, show);
  line.reset();
  if (absl::IsCancelled(clone.status())) return ExitCode::kDone;
  if (!clone.ok()) return clone.status();
  BATON_RETURN_IF_ERROR(CheckCompleted(*clone));
  context.console.Confirm(fmt::format("{} is completed", Title(*clone)));
  return ExitCode::kDone;
}

// Activates and starts; a clone that cannot be started is taken away again.
absl::Status BeginClone(CommandContext& context, uint64_t number, bool degraded) {
  const std::string id = CloneNumber(number);
  absl::Status status = CallActivate(*context.client, {id}, degraded).status();
  if (status.ok()) status = CallStart(*context.client, {id}).status();
  if (status.ok()) return status;
  const absl::Status deleted = CallDeleteClone(*context.client, id).status();
  if (deleted.ok()) return status;
  return Error(status.code(), "{}; clone {} is left, delete it by hand ({})", Message(status),
               number, Message(deleted));
}

std::string CloneSummary(const CloneStatus& clone) {
  const absl::Duration took =
      absl::Microseconds(clone.completed_unix_us() - clone.started_unix_us());
  const double seconds = std::max(absl::ToDoubleSeconds(took), 1e-3);
  const auto rate = static_cast<uint64_t>(static_cast<double>(clone.size_bytes()) / seconds);
  return fmt::format("{} completed: {} in {:.1f} s ({}){}{}", Title(clone),
                     FormatSize(clone.size_bytes()), seconds, FormatRate(rate),
                     clone.certificate().empty() ? "" : ", certificate ", clone.certificate());
}

absl::StatusOr<ExitCode> RunClone(CommandContext& context, const CreateCloneArguments& arguments) {
  BATON_ASSIGN_OR_RETURN(const uint64_t number, CallCreateClone(*context.client, arguments));
  BATON_RETURN_IF_ERROR(BeginClone(context, number, arguments.degraded));
  CatchInterrupts();
  std::optional<ProgressLine> line(context);
  const auto clone = FollowClone(context, CloneNumber(number), {},
                                 [&](const CloneStatus& now) { line->Show(now); });
  line.reset();
  if (absl::IsCancelled(clone.status())) {
    return Error(absl::StatusCode::kCancelled,
                 "interrupted; the clone goes on, see baton clone status {0} (baton clone stop {0} "
                 "abandons it)",
                 number);
  }
  if (!clone.ok()) return clone.status();
  if (context.console.json()) context.console.AnswerJson(*clone);
  BATON_RETURN_IF_ERROR(CheckCompleted(*clone));
  context.console.Confirm(CloneSummary(*clone));
  return ExitCode::kDone;
}

void AddWait(CLI::App& clone, Command& chosen) {
  CLI::App* wait = clone.add_subcommand("wait", "until it is completed (else 1; 5: timed out)");
  auto arguments = std::make_shared<WaitArguments>();
  AddCloneId(*wait, arguments->id);
  wait->add_option("--timeout", arguments->timeout_seconds, "seconds to wait at most")
      ->check(SecondsFrom(0, kMaxWaitSeconds));
  wait->callback([arguments, &chosen] {
    chosen = [arguments](CommandContext& context) { return WaitForClone(context, *arguments); };
  });
}

void AddWatch(CLI::App& clone, Command& chosen) {
  CLI::App* watch = clone.add_subcommand("watch", "show its progress until it is over");
  auto id = std::make_shared<std::string>();
  AddCloneId(*watch, *id);
  watch->callback([id, &chosen] {
    chosen = [id](CommandContext& context) { return WatchClone(context, *id); };
  });
}

void AddRun(CLI::App& clone, Command& chosen) {
  CLI::App* run = clone.add_subcommand("run", "create, activate, start and wait");
  auto arguments = std::make_shared<CreateCloneArguments>();
  AddCreateOptions(*run, *arguments);
  run->callback([arguments, &chosen] {
    chosen = [arguments](CommandContext& context) { return RunClone(context, *arguments); };
  });
}

}  // namespace

void AddCloneFollowers(CLI::App& clone, Command& chosen) {
  AddWait(clone, chosen);
  AddWatch(clone, chosen);
  AddRun(clone, chosen);
}

}  // namespace baton
