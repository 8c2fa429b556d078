// The volumes of a drill, and its clone.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include <string>
#include <vector>

#include "cli/baton/command_context.h"
#include "engine/base/model.pb.h"

namespace baton {

// The source is called `volume`, the target DrillTarget(volume). Of one thread.
class DrillVolumes {
 public:
  DrillVolumes(CommandContext& context, std::string volume);

  const std::string& source() const { return source_; }
  // In the mount, once made.
  const std::string& source_path() const { return source_path_; }
  const std::string& target_path() const { return target_path_; }

  // Both, of zeros. After an error one of them may be there.
  absl::Status Make(uint64_t size_bytes);
  // T0 is now.
  absl::Status StartClone(uint64_t rate_bytes_per_second);
  absl::StatusOr<CloneStatus> ShowClone(absl::Duration patience);
  // Without a limit of the rate, until it is over. Not completed: FailedPrecondition.
  absl::StatusOr<CloneStatus> FinishClone();
  // FailedPrecondition: the target differs from T0.
  absl::Status Verify();

  // Takes all away that is there. Returns the commands that remove what is left; empty: nothing is.
  // While nobody has the volumes open.
  std::vector<std::string> Remove();

 private:
  absl::StatusOr<std::string> MakeVolume(const std::string& name, uint64_t size_bytes);
  absl::Status RemoveClone();

  CommandContext& context_;
  const std::string source_;
  const std::string target_;
  std::string source_path_;
  std::string target_path_;
  std::string clone_;  // as CloneNumber()
};

}  // namespace baton
