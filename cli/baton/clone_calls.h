// Single requests about clones, for the commands that are made of several.
#pragma once

#include <absl/status/statusor.h>

#include <string>
#include <vector>

#include "cli/baton/control_client.h"
#include "engine/base/model.pb.h"

namespace baton {

// What a clone is made of, as typed.
struct CreateCloneArguments {
  std::string source;
  std::string target;
  std::string extent = "64K";
  std::string rate = "unlimited";
  std::string latency_target = "off";
  std::string on_error = "fail-clone";
  bool no_digests = false;
  bool degraded = false;
};

absl::StatusOr<uint64_t> CallCreateClone(control::ControlClient& client,
                                         const CreateCloneArguments& arguments);
absl::StatusOr<control::CloneList> CallActivate(control::ControlClient& client,
                                                const std::vector<std::string>& clones,
                                                bool degraded);
absl::StatusOr<control::CloneList> CallStart(control::ControlClient& client,
                                             const std::vector<std::string>& clones);
absl::StatusOr<uint64_t> CallDeleteClone(control::ControlClient& client, const std::string& clone);
absl::StatusOr<CloneStatus> CallCloneStatus(control::ControlClient& client,
                                            const std::string& clone);
absl::StatusOr<control::ResidualAnswer> CallResidual(control::ControlClient& client,
                                                     const std::string& clone, bool extents);

// What no volume's name can be taken for.
std::string CloneNumber(uint64_t id);

// What may stand for a clone: its number ("7" or "+7"), or its target's name.
absl::Status CheckCloneName(const std::string& clone);

}  // namespace baton
