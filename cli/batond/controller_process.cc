#include "cli/batond/controller_process.h"

#include <fmt/format.h>
#include <signal.h>
#include <spdlog/spdlog.h>

#include <cstdio>
#include <cstdlib>

#include "cli/batond/controller.h"
#include "cli/batond/process_limits.h"
#include "cli/batond/shutdown_monitor.h"
#include "cli/keeper/keeper_client.h"
#include "engine/base/standard_streams.h"
#include "engine/base/status.h"
#include "ha/io/eviction_status.h"

namespace baton {
namespace {

constexpr int kDone = 0;
constexpr int kFailed = 1;

keeper::Goodbye Goodbye(int exit_code, const std::string& reason) {
  keeper::Goodbye goodbye;
  goodbye.set_exit_code(exit_code);
  goodbye.set_reason(reason);
  return goodbye;
}

int RefuseToServe(keeper::KeeperClient* keeper_client, const absl::Status& status) {
  keeper::Goodbye goodbye = Goodbye(kFailed, Message(status));
  goodbye.set_final(ha::EvictionOf(status).has_value());
  if (keeper_client != nullptr) keeper_client->SayGoodbye(std::move(goodbye));
  SayError("batond: " + Message(status));
  return kFailed;
}

// Nothing is waited for: threads may hang in I/O that must not be acknowledged any more.
[[noreturn]] void EndByFault(Controller& controller, const DaemonOptions& options,
                             keeper::KeeperClient& keeper_client, const absl::Status& fault) {
  const bool is_evicted = ha::EvictionOf(fault).has_value();
  const std::string reason =
      fmt::format("{}: {}", is_evicted ? "ending the mount" : "giving up epoch", Message(fault));
  spdlog::critical("{}", reason);
  if (is_evicted) controller.EndMount();
  keeper::Goodbye goodbye = Goodbye(kFailed, reason);
  // After a sync that failed nobody on this node may say of the next one that it worked: what it
  // should have made safe may be lost. Where there are peers this node goes on as a standby: what
  // was acknowledged has left it, and a peer's way to the storage is another one. Nor may anybody
  // go on with the mount of a node that was evicted.
  goodbye.set_final(is_evicted || (absl::IsDataLoss(fault) && options.pair.alone()));
  keeper_client.SayGoodbye(std::move(goodbye));
  if (keeper_client.keeper_pid() == 0) controller.Abandon();
  spdlog::shutdown();
  std::_Exit(kFailed);
}

// An end that was asked for.
int EndInOrder(Controller& controller, keeper::KeeperClient& keeper_client, ProcessEvent event) {
  const absl::Status ended = event == ProcessEvent::kDrain ? controller.Drain() : controller.Stop();
  if (!ended.ok()) return RefuseToServe(&keeper_client, ended);
  const int code = event == ProcessEvent::kUnmounted ? kFailed : kDone;
  keeper_client.SayGoodbye(Goodbye(code, ""));
  return code;
}

int ServeUntilEnd(Controller& controller, const DaemonOptions& options,
                  keeper::KeeperClient& keeper_client, ShutdownMonitor& end) {
  while (true) {
    const ProcessEvent event = end.Await();
    switch (event) {
      case ProcessEvent::kFirstAnswer:
        controller.RecordFirstAnswer();
        continue;
      case ProcessEvent::kFault:
        EndByFault(controller, options, keeper_client, end.fault());
      case ProcessEvent::kUnmounted:
        spdlog::error("{} was unmounted by someone else: stopping", options.mount);
        break;
      case ProcessEvent::kStop:
        spdlog::info("stopping");
        break;
      case ProcessEvent::kDrain:
        spdlog::info("draining: another process takes over");
        break;
    }
    return EndInOrder(controller, keeper_client, event);
  }
}

int StartAndServe(const DaemonOptions& options, keeper::KeeperClient& keeper_client,
                  ShutdownMonitor& end) {
  const auto controller = Controller::Start(options, keeper_client, end);
  if (absl::IsCancelled(controller.status()) && end.IsAsked()) {
    keeper_client.SayGoodbye(Goodbye(kDone, ""));
    return kDone;
  }
  if (!controller.ok()) return RefuseToServe(&keeper_client, controller.status());
  (*controller)->RecordTakeover();
  return ServeUntilEnd(**controller, options, keeper_client, end);
}

}  // namespace

int RunController(const DaemonOptions& options) {
  ::signal(SIGHUP, SIG_IGN);  // for the keeper
  const absl::StatusOr<std::unique_ptr<ShutdownMonitor>> end = ShutdownMonitor::Make();
  if (!end.ok()) return RefuseToServe(nullptr, end.status());
  LockMemory(Lock::kTouched);
  const absl::StatusOr<std::unique_ptr<keeper::KeeperClient>> keeper_client =
      keeper::KeeperClient::Connect();
  if (!keeper_client.ok()) return RefuseToServe(nullptr, keeper_client.status());
  ShutdownMonitor& watch = **end;
  (*keeper_client)
      ->Start({.stop = [&watch] { watch.Note(ProcessEvent::kStop); },
               .drain = [&watch] { watch.Note(ProcessEvent::kDrain); },
               .orphaned = [&watch] { watch.ObeySignals(true); },
               .kept = [&watch] { watch.ObeySignals(false); }});
  return StartAndServe(options, **keeper_client, watch);
}

}  // namespace baton
