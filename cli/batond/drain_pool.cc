#include "cli/batond/drain_pool.h"

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <fmt/format.h>

#include <cstdio>
#include <memory>
#include <utility>

#include "engine/base/fault.h"
#include "engine/base/names.h"
#include "engine/base/posix_storage.h"
#include "engine/base/retry.h"
#include "engine/base/standard_streams.h"
#include "engine/base/status.h"
#include "engine/base/system_runtime.h"
#include "engine/lease/claim.h"
#include "engine/lease/node_lock.h"
#include "engine/lease/pause_clock.h"
#include "engine/lease/pause_meter.h"
#include "engine/meta/node_identity.h"
#include "engine/meta/pool_file.h"
#include "ha/core/options.h"
#include "ha/node/owned_epoch.h"

namespace baton {
namespace {

constexpr absl::Duration kLook = absl::Milliseconds(50);
// Who upgrades or hands over leaves the pool to nobody for a moment.
constexpr absl::Duration kHandoverTime = absl::Seconds(3);

absl::StatusOr<OwnerGone> AwaitNobody(const StartOptions& options) {
  BATON_ASSIGN_OR_RETURN(const OwnerGone gone, AwaitOwnerGone(options));
  if (gone.proof != Proof::kHandover) return gone;
  Rest(options.runtime, kHandoverTime);
  return AwaitOwnerGone(options);
}

absl::StatusOr<std::unique_ptr<ha::OwnedEpoch>> Own(PosixStorage& storage, Runtime& runtime,
                                                    PauseMeter& pauses, Durability durability,
                                                    Fault& fault) {
  BATON_ASSIGN_OR_RETURN(const NodeIdentity identity, MakeNodeIdentity(ha::kDrainName));
  const LeaseTimes times;
  BATON_ASSIGN_OR_RETURN(const OwnerGone gone, AwaitNobody({.storage = storage,
                                                            .runtime = runtime,
                                                            .identity = identity,
                                                            .holds_node_lock = true,
                                                            .times = times}));
  BATON_ASSIGN_OR_RETURN(
      std::unique_ptr<ha::OwnedEpoch> epoch,
      ha::OwnedEpoch::Claim(
          {.storage = storage,
           .runtime = runtime,
           .identity = identity,
           .lease_times = times,
           .pauses = &pauses,
           .durability = durability,
           .on_fault = [&fault](const absl::Status& why) { (void)fault.Report(why); }},
          gone));
  BATON_RETURN_IF_ERROR(epoch->Open());
  BATON_RETURN_IF_ERROR(epoch->RecordClaim());
  return epoch;
}

absl::Status AwaitDrained(Runtime& runtime, const Engine& engine, const Fault& fault) {
  while (true) {
    BATON_RETURN_IF_ERROR(fault.Check());
    const WriteLogStatus log = engine.ShowWriteLog();
    if (!log.problem().empty()) {
      return Error(absl::StatusCode::kFailedPrecondition,
                   "storage does not take what is in the write log: {}; {} are only there",
                   log.problem(), FormatSize(log.logged_bytes()));
    }
    if (log.logged_bytes() == 0) return absl::OkStatus();
    Rest(runtime, kLook);
  }
}

bool IsUnfinished(const CloneStatus& clone) {
  return clone.state() != "created" && clone.state() != "completed";
}

std::string ReportOf(const std::string& directory, const Engine& engine) {
  std::string report =
      fmt::format("{} is drained: the files in {}/volumes have all that was acknowledged\n",
                  directory, directory);
  for (const CloneStatus& clone : engine.ListClones()) {
    if (!IsUnfinished(clone)) continue;
    report += fmt::format("{}/volumes/{} is no whole image: clone {} of {} is {}\n", directory,
                          clone.target(), clone.id(), clone.source(), clone.state());
  }
  return report;
}

absl::Status Drain(const std::string& directory) {
  SystemRuntime runtime;
  PauseMeter pauses(runtime, MakePauseClock());
  BATON_ASSIGN_OR_RETURN(const auto storage, PosixStorage::Open(directory));
  BATON_ASSIGN_OR_RETURN(const PoolRecord pool, ReadPool(*storage));
  BATON_ASSIGN_OR_RETURN(const NodeLock lock, NodeLock::Take(storage->directory(), ha::kDrainName));
  Fault fault(nullptr);
  BATON_ASSIGN_OR_RETURN(const auto epoch,
                         Own(*storage, runtime, pauses, pool.durability(), fault));
  BATON_RETURN_IF_ERROR(AwaitDrained(runtime, epoch->engine(), fault));
  BATON_RETURN_IF_ERROR(epoch->Seal().status());
  BATON_RETURN_IF_ERROR(fault.Check());
  const std::string report = ReportOf(directory, epoch->engine());
  BATON_RETURN_IF_ERROR(epoch->Release());
  fmt::print("{}", report);
  Engine::GiveBackSpace(*storage);
  return absl::OkStatus();
}

}  // namespace

int DrainPool(const std::string& directory) {
  const absl::Status drained = Drain(directory);
  if (drained.ok()) return 0;
  SayError(fmt::format("baton: {} is not drained: {}", directory, Message(drained)));
  return 1;
}

}  // namespace baton
