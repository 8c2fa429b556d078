#include "cli/batond/daemon.h"

#include <absl/synchronization/mutex.h>
#include <google/protobuf/stubs/logging.h>
#include <signal.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>

#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "cli/batond/controller_process.h"
#include "cli/batond/doctor.h"
#include "cli/batond/drain_pool.h"
#include "cli/batond/keeper_process.h"
#include "cli/batond/process_limits.h"
#include "cli/config/daemon_options.h"
#include "cli/keeper/keeper_client.h"
#include "engine/base/standard_streams.h"

namespace baton {
namespace {

// "<3>": how systemd's journal is told the priority of a line.
class JournalPriority final : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm&,
              spdlog::memory_buf_t& text) override {
    static constexpr std::array<std::string_view, spdlog::level::n_levels> kPriorities = {
        "<7>", "<7>", "<6>", "<4>", "<3>", "<2>", "<7>"};
    const std::string_view priority = kPriorities[message.level];
    text.append(priority.data(), priority.data() + priority.size());
  }
  std::unique_ptr<custom_flag_formatter> clone() const override {
    return std::make_unique<JournalPriority>();
  }
};

// The journal notes the time itself.
std::unique_ptr<spdlog::formatter> JournalFormatter() {
  auto formatter = std::make_unique<spdlog::pattern_formatter>();
  formatter->add_flag<JournalPriority>('*').set_pattern("%*%n: %v");
  return formatter;
}

void PrepareLog(const char* name, spdlog::level::level_enum level) {
  auto log = spdlog::stderr_color_mt(name);
  log->set_level(level);
  if (StandardErrorIsJournal()) log->set_formatter(JournalFormatter());
  spdlog::set_default_logger(std::move(log));
  // Garbled messages are counted; Protobuf need not tell of each.
  google::protobuf::SetLogHandler(nullptr);
}

void PrepareProcess() {
  // What the pool's files hold is nobody else's; other modes are set where they are meant.
  ::umask(0077);
  ::signal(SIGPIPE, SIG_IGN);
  ::signal(SIGXFSZ, SIG_IGN);  // a file size limit is an error of the write, as a full disk is
  // Debian's library looks for lock cycles at every lock: four times the price, under one lock.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
}

// Whoever asked for an upgrade hears why there is none.
void TellKeeper(const DaemonUsage& usage) {
  const auto keeper_client = keeper::KeeperClient::Connect();
  if (!keeper_client.ok()) return;
  keeper::Goodbye goodbye;
  goodbye.set_exit_code(usage.exit_code);
  goodbye.set_reason(usage.problem);
  (*keeper_client)->SayGoodbye(std::move(goodbye));
}

}  // namespace

int RunDaemon(int argc, char** argv) {
  HoldStandardStreams();
  const auto parsed = ParseDaemonOptions(argc, argv);
  if (const auto* usage = std::get_if<DaemonUsage>(&parsed)) {
    if (keeper::KeeperClient::IsControllerProcess()) TellKeeper(*usage);
    return usage->exit_code;
  }
  const auto& options = std::get<DaemonOptions>(parsed);
  const bool is_controller = keeper::KeeperClient::IsControllerProcess();
  PrepareLog(is_controller ? "batond" : "keeper", options.log_level);
  PrepareProcess();
  RaiseDescriptorLimit();
  if (!options.drain.empty()) return DrainPool(options.drain);
  if (!options.doctor.empty()) return ExamineMachine(options);
  if (is_controller) return RunController(options);
  return RunKeeper(options, {argv, argv + argc});
}

}  // namespace baton
