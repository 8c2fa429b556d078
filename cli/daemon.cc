#include "cli/daemon.h"

#include <absl/synchronization/mutex.h>
#include <google/protobuf/stubs/logging.h>
#include <linux/capability.h>
#include <signal.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "cli/controller.h"
#include "cli/daemon_options.h"
#include "cli/end_watch.h"
#include "engine/base/status.h"

namespace baton {
namespace {

constexpr int kStopped = 0;
constexpr int kFailed = 1;

int Refuse(const absl::Status& status) {
  fmt::print(stderr, "batond: {}\n", Message(status));
  return kFailed;
}

void PrepareLog(spdlog::level::level_enum level) {
  auto log = spdlog::stderr_color_mt("batond");
  log->set_level(level);
  spdlog::set_default_logger(std::move(log));
  // Garbled messages are counted; Protobuf need not tell of each.
  google::protobuf::SetLogHandler(nullptr);
}

// Beyond RLIMIT_MEMLOCK, that is with CAP_IPC_LOCK or without a limit: elsewhere locked memory
// makes allocations fail.
bool MayLockAllMemory() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct capabilities[_LINUX_CAPABILITY_U32S_3] = {};
  rlimit limit{};
  if (::syscall(SYS_capget, &header, capabilities) == 0 &&
      (capabilities[0].effective & (1U << CAP_IPC_LOCK)) != 0) {
    return true;
  }
  return ::getrlimit(RLIMIT_MEMLOCK, &limit) == 0 && limit.rlim_cur == RLIM_INFINITY;
}

// Memory that is touched once stays resident: a page fault on the way of a request costs time.
// (The buffers that must be resident lock themselves.)
void LockMemory() {
  if (!MayLockAllMemory()) {
    spdlog::info("memory is not locked: that needs CAP_IPC_LOCK, or no RLIMIT_MEMLOCK");
  } else if (::mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) != 0) {
    spdlog::info("memory is not locked: {}", std::strerror(errno));
  }
}

void PrepareProcess() {
  // What the pool's files hold is nobody else's; other modes are set where they are meant.
  ::umask(0077);
  ::signal(SIGPIPE, SIG_IGN);
  ::signal(SIGXFSZ, SIG_IGN);  // a file size limit is an error of the write, as a full disk is
  // Debian's library looks for lock cycles at every lock: four times the price, under one lock.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  LockMemory();
}

void SayReady() {
  fmt::print(stderr, "ready\n");
  ::sd_notify(0, "READY=1");
}

// Nothing is waited for: threads may hang in I/O that must not be acknowledged any more.
[[noreturn]] void EndByFault(Controller& controller, const absl::Status& fault) {
  spdlog::critical("giving up epoch: {}", Message(fault));
  controller.Abandon();
  spdlog::shutdown();
  std::_Exit(kFailed);
}

int StopOrderly(Controller& controller, EndReason reason) {
  ::sd_notify(0, "STOPPING=1");
  const absl::Status stopped = controller.Stop();
  if (!stopped.ok()) return Refuse(stopped);
  return reason == EndReason::kSignal ? kStopped : kFailed;
}

int ServeUntilEnd(const DaemonOptions& options, EndWatch& end) {
  absl::StatusOr<std::unique_ptr<Controller>> controller = Controller::Start(options, end);
  if (!controller.ok()) return Refuse(controller.status());
  SayReady();
  const EndReason reason = end.Await();
  switch (reason) {
    case EndReason::kFault:
      EndByFault(**controller, end.fault());
    case EndReason::kUnmounted:
      spdlog::error("{} was unmounted by someone else: stopping", options.mount);
      break;
    case EndReason::kSignal:
      spdlog::info("stopping");
      break;
  }
  return StopOrderly(**controller, reason);
}

}  // namespace

int RunDaemon(int argc, char** argv) {
  const auto parsed = ParseDaemonOptions(argc, argv);
  if (const auto* usage = std::get_if<DaemonUsage>(&parsed)) return usage->exit_code;
  const auto& options = std::get<DaemonOptions>(parsed);
  PrepareLog(options.log_level);
  const absl::StatusOr<std::unique_ptr<EndWatch>> end = EndWatch::Make();
  if (!end.ok()) return Refuse(end.status());
  PrepareProcess();
  return ServeUntilEnd(options, **end);
}

}  // namespace baton
