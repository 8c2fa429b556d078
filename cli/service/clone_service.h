// The commands of the control socket that change clones, carried out by the engine.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <google/protobuf/repeated_ptr_field.h>

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "cli/control/control.pb.h"
#include "engine/engine.h"

namespace baton::control {

// Thread-safe. Refusals are the engine's.
class CloneService {
 public:
  // The other controllers' part; each may be empty.
  struct Peers {
    // All of them check the volumes of a clone before it is created.
    std::function<absl::Status(const std::string& source, const std::string& target,
                               uint64_t size_bytes, bool degraded)>
        prepare;
    // Returns when it is known what is open on every node: before a target's content is discarded.
    std::function<absl::Status(bool degraded)> await_opens;
    // Clones were activated.
    std::function<void(const std::vector<uint64_t>& ids)> activated;
  };

  // `content_changed` is told of each target whose content a command has changed.
  CloneService(Engine& engine, std::function<void(uint64_t volume_id)> content_changed, Peers peers)
      : engine_(engine), content_changed_(std::move(content_changed)), peers_(std::move(peers)) {}

  absl::StatusOr<CloneId> Create(const CloneCreate& request);
  absl::StatusOr<CloneList> Activate(const CloneNames& request);
  absl::StatusOr<CloneList> Start(const CloneNames& request);
  absl::StatusOr<CloneStatus> Pause(const CloneName& request);
  absl::StatusOr<CloneStatus> Resume(const CloneName& request);
  absl::StatusOr<CloneStatus> Stop(const CloneName& request);
  absl::StatusOr<CloneId> Delete(const CloneName& request);
  absl::StatusOr<CloneStatus> Set(const CloneSet& request);
  absl::StatusOr<CloneStatus> SetLatency(const CloneSetLatency& request);

 private:
  using Names = google::protobuf::RepeatedPtrField<std::string>;
  using Change = absl::Status (Engine::*)(uint64_t);
  using GroupChange = absl::Status (Engine::*)(const std::vector<uint64_t>&);

  absl::StatusOr<CloneStatus> Apply(Change change, const std::string& clone);
  absl::Status Prepare(const CloneCreate& request) const;
  absl::StatusOr<CloneList> ApplyToAll(GroupChange change, const Names& clones);

  void TellContentChanged(const std::string& target) const;

  Engine& engine_;
  const std::function<void(uint64_t)> content_changed_;
  const Peers peers_;
};

}  // namespace baton::control
