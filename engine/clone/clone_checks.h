// What a command needs of relations and volumes before it begins.
#pragma once

#include <absl/status/statusor.h>

#include <memory>
#include <string>
#include <vector>

#include "engine/clone/clone_locks.h"
#include "engine/clone/command_gate.h"
#include "engine/clone/relation_table.h"
#include "engine/clone/state.h"
#include "engine/volume/volume_table.h"

namespace baton {

// FailedPrecondition: `target` is open, so that its content may not be discarded.
absl::Status TargetIsOpen(const Volume& target);

// Only looks. What was true stays true for as long as the caller's command lasts, but for a
// relation that fails meanwhile. Thread-safe.
class CloneChecks {
 public:
  CloneChecks(const CommandGate& gate, const RelationTable& table, const VolumeTable& volumes)
      : gate_(gate), table_(table), volumes_(volumes) {}

  // Commands are taken. Aborted.
  absl::Status CheckServing() const { return gate_.Check(); }
  // Commands are taken, the relations are there, and their states allow the action; each once, by
  // number. Aborted, NotFound, FailedPrecondition.
  absl::StatusOr<Relation> GetFor(Action action, uint64_t id) const;
  absl::StatusOr<std::vector<Relation>> GetFor(Action action,
                                               const std::vector<uint64_t>& ids) const;
  // The two volumes are usable, differ, are of one size, which is returned, and can be divided into
  // such extents. InvalidArgument, NotFound, FailedPrecondition.
  absl::StatusOr<uint64_t> CheckVolumes(const std::string& source, const std::string& target,
                                        uint64_t extent_bytes) const;
  // Those that are there already leave the relation's two volumes to it. FailedPrecondition.
  absl::Status CheckPair(const RelationRecord& record) const;
  // They may be activated, one after the other: their volumes are usable and theirs, the targets
  // are not open, and they are not in each other's way. ResourceExhausted: too many are active.
  absl::Status CheckActivation(const std::vector<Relation>& relations) const;
  // No relation names the volume, but for completed ones. FailedPrecondition.
  absl::Status CheckMayGrow(const CloneLocks::Command&, const std::string& volume) const;

 private:
  absl::StatusOr<std::shared_ptr<Volume>> UsableVolume(const std::string& name) const;
  absl::Status CheckOne(const RelationRecord& record) const;
  absl::Status CheckGroup(const std::vector<Relation>& relations) const;

  const CommandGate& gate_;
  const RelationTable& table_;
  const VolumeTable& volumes_;
};

}  // namespace baton
