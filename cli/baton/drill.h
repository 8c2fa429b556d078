// A failover that is rehearsed on a running pair, with volumes of its own.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include <memory>
#include <optional>
#include <string>

#include "cli/baton/command_context.h"
#include "cli/baton/drill_load.h"
#include "cli/baton/drill_volumes.h"

namespace baton {

struct DrillOptions {
  std::string drill;  // handover, crash, partition
  uint64_t size_bytes = 0;
  std::optional<absl::Duration> longest_wait;  // that passes; nullopt: what is published
  absl::Duration partition;
};

// Of one thread; once. What users of other volumes notice is what the blow itself costs.
class Drill {
 public:
  Drill(CommandContext& context, DrillOptions options);

  // What was found, also when it was interrupted. An error: refused, and nothing was changed.
  absl::StatusOr<control::DrillReport> Run();

 private:
  absl::Status Begin();
  absl::Status RunAll();
  absl::Status Prepare();
  absl::Status HandOver();
  absl::Status HandOverTo(const std::string& node, const std::string& name);
  absl::Status Crash();
  absl::Status Partition();
  // True: peers were missed meanwhile, so it was one.
  absl::StatusOr<bool> WatchPartition(absl::Duration time);
  absl::Status Finish();
  void CleanUp();
  absl::Status End();

  absl::StatusOr<control::ControllerStatus> Ask();
  // Until a node owns an epoch from `epoch` on, and it is known by which proof.
  absl::StatusOr<control::ControllerStatus> AwaitOwner(uint64_t epoch);
  // Until nothing is wrong with the pair any more.
  absl::StatusOr<control::ControllerStatus> AwaitWhole();
  absl::StatusOr<control::DrillStruck> Strike(const control::Request& request);
  // Compares, and adds what the step was to the report. `limit`: of the longest wait.
  absl::Status EndStep(const std::string& name, const control::ControllerStatus& after,
                       absl::Duration limit);
  absl::Status CheckClone();
  absl::Status Compare();
  void Expect(bool holds, const std::string& failure);

  CommandContext& context_;
  const DrillOptions options_;
  const uint64_t seed_;
  DrillVolumes volumes_;
  std::unique_ptr<DrillLoad> load_;
  control::ControllerStatus before_;
  control::DrillReport report_;
  uint64_t crashes_ = 0;  // epochs that ended without a seal
};

}  // namespace baton
