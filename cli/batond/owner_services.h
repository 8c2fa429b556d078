// What exists only while this controller owns the pool.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "cli/control/control.pb.h"
#include "cli/service/audit.h"
#include "cli/service/control_service.h"
#include "engine/base/runtime.h"
#include "ha/node/epoch_services.h"
#include "ha/volumes/drainable.h"
#include "ha/volumes/volume_adapter.h"

namespace baton {

// The pool, for the mount and for peers; the commands of `baton`. Whoever uses one of them finds it
// by its Drainable, or does not, and is waited for at the end. Begin and End are one thread's at a
// time; else thread-safe.
class OwnerServices final : public ha::EpochServices {
 public:
  struct Options {
    Runtime& runtime;
    std::string mount;
    ha::MountEvents& mount_events;
    control::Audit& audit;
    // ControlService::Options.
    std::function<control::ControllerStatus()> describe;
    std::function<absl::StatusOr<control::UpgradeStarted>()> upgrade;
    control::DrillService::Crasher crash;
  };

  // The references outlive this.
  explicit OwnerServices(Options options) : options_(std::move(options)) {}

  void Begin(ha::OwnedEpoch& epoch, ha::OwnerPeers& peers) override { BeginWith(epoch, &peers); }
  void BeginAlone(ha::OwnedEpoch& epoch) { BeginWith(epoch, nullptr); }
  void End() override;
  absl::Status Readmit(const std::string& node, uint64_t eviction) override;

  ha::Drainable<ha::OwnedPool>& pool() { return pool_; }
  ha::Drainable<control::ControlService>& commands() { return commands_; }

 private:
  void BeginWith(ha::OwnedEpoch& epoch, ha::OwnerPeers* peers);
  control::ControlService::Options CommandsFor(Engine& engine, ha::OwnerPeers* peers);

  const Options options_;
  std::unique_ptr<ha::OwnedPool> owned_;
  std::unique_ptr<control::ControlService> service_;
  ha::Drainable<ha::OwnedPool> pool_;
  ha::Drainable<control::ControlService> commands_;
};

}  // namespace baton
