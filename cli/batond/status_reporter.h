// What `baton status` tells of this controller.
#pragma once

#include <absl/time/time.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "cli/batond/mount_session.h"
#include "cli/batond/pool_role.h"
#include "cli/batond/shutdown_monitor.h"
#include "cli/batond/succession.h"
#include "cli/control/control.pb.h"
#include "cli/http/problem_line.h"
#include "cli/keeper/keeper_client.h"
#include "cli/service/space_watch.h"
#include "engine/base/model.pb.h"
#include "engine/base/runtime.h"
#include "engine/lease/pause_meter.h"

namespace baton {

// Without the clones, which are asked of whoever knows them. Never waits for storage. Thread-safe.
class StatusReporter {
 public:
  struct Facts {
    std::string node;
    std::string pool;   // the directory
    std::string mount;  // likewise
    PoolRecord record;
    std::string pause_warning;  // WarnOfPauses; empty: there is none
  };
  // All of them outlive this.
  struct Sources {
    const RoleSlot& role;
    const Succession& succession;
    const ShutdownMonitor& end;
    const SpaceWatch& space;
    const keeper::KeeperClient& keeper_client;
    const MountSession& session;
    const std::atomic<uint64_t>& garbled_messages;
    PauseMeter& pauses;
    // Of the epoch that this controller owns; nullopt: it owns none.
    std::function<std::optional<WriteLogStatus>()> write_log;
    const http::ProblemLine& http_problem;
  };

  StatusReporter(Runtime& runtime, Facts facts, Sources sources);

  control::ControllerStatus Describe() const;

 private:
  void DescribeSpace(control::ControllerStatus& status) const;
  void DescribeWriteLog(control::ControllerStatus& status) const;

  Runtime& runtime_;
  const absl::Duration started_;
  const Facts facts_;
  const Sources sources_;
};

}  // namespace baton
