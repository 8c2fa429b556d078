#include "engine/clone/clone_checks.h"

#include <map>
#include <set>

#include "engine/base/limits.h"
#include "engine/base/names.h"
#include "engine/base/status.h"
#include "engine/clone/clone_status.h"

namespace baton {

absl::Status TargetIsOpen(const Volume& target) {
  return Error(absl::StatusCode::kFailedPrecondition,
               "volume {} is open ({} handles) and its content would be discarded: close it",
               target.name, target.openings.count());
}

// It is there, and no import into it is under way.
absl::StatusOr<std::shared_ptr<Volume>> CloneChecks::UsableVolume(const std::string& name) const {
  BATON_RETURN_IF_ERROR(CheckName(name));
  std::shared_ptr<Volume> volume = volumes_.Find(name);
  if (volume == nullptr) return NoSuchVolume(name);
  if (volume->importing) {
    return Error(absl::StatusCode::kFailedPrecondition,
                 "volume {} is being imported; wait for the import, or delete the volume if the "
                 "import was broken off",
                 name);
  }
  return volume;
}

absl::StatusOr<Relation> CloneChecks::GetFor(Action action, uint64_t id) const {
  BATON_RETURN_IF_ERROR(gate_.Check());
  BATON_ASSIGN_OR_RETURN(Relation relation, table_.Get(id));
  BATON_RETURN_IF_ERROR(CheckAllowed(action, relation.record));
  return relation;
}

absl::StatusOr<std::vector<Relation>> CloneChecks::GetFor(Action action,
                                                          const std::vector<uint64_t>& ids) const {
  if (ids.empty()) {
    return Error(absl::StatusCode::kInvalidArgument, "{}: name a clone", Name(action));
  }
  std::vector<Relation> relations;
  for (const uint64_t id : std::set<uint64_t>(ids.begin(), ids.end())) {
    BATON_ASSIGN_OR_RETURN(Relation relation, GetFor(action, id));
    relations.push_back(std::move(relation));
  }
  return relations;
}

absl::StatusOr<uint64_t> CloneChecks::CheckVolumes(const std::string& source,
                                                   const std::string& target,
                                                   uint64_t extent_bytes) const {
  BATON_RETURN_IF_ERROR(CheckExtentSize(extent_bytes));
  BATON_ASSIGN_OR_RETURN(const std::shared_ptr<Volume> from, UsableVolume(source));
  BATON_ASSIGN_OR_RETURN(const std::shared_ptr<Volume> to, UsableVolume(target));
  if (from == to) {
    return Error(absl::StatusCode::kInvalidArgument, "source and target are the same volume, {}",
                 source);
  }
  const uint64_t size_bytes = from->file->size_bytes();
  if (to->file->size_bytes() != size_bytes) {
    return Error(absl::StatusCode::kInvalidArgument,
                 "the volumes differ in size: {} has {} bytes, {} has {} bytes", source, size_bytes,
                 target, to->file->size_bytes());
  }
  BATON_RETURN_IF_ERROR(CheckExtentCount(size_bytes, extent_bytes));
  return size_bytes;
}

// What one relation holds, another may not use: a running clone's target is no source and no
// second target, its source no target; a target that is offline is neither.
absl::Status CloneChecks::CheckPair(const RelationRecord& record) const {
  absl::Status status;
  table_.ForEach([&](const Relation& relation) {
    const RelationRecord& other = relation.record;
    if (!status.ok() || other.id() == record.id()) return;
    const bool holds_target = IsActive(other.state()) || IsTargetOffline(other.state());
    if (holds_target && (other.target() == record.target() || other.target() == record.source())) {
      status = Error(absl::StatusCode::kFailedPrecondition,
                     "volume {} is the target of clone {}, which is {}: wait for its end or stop "
                     "it, and delete it",
                     other.target(), other.id(), Name(other.state()));
    } else if (IsActive(other.state()) && other.source() == record.target()) {
      status =
          Error(absl::StatusCode::kFailedPrecondition,
                "volume {} is the source of clone {}, which is {}: wait for its end or stop it",
                other.source(), other.id(), Name(other.state()));
    }
  });
  return status;
}

absl::Status CloneChecks::CheckActivation(const std::vector<Relation>& relations) const {
  for (const Relation& relation : relations) {
    BATON_RETURN_IF_ERROR(CheckOne(relation.record));
  }
  return CheckGroup(relations);
}

absl::Status CloneChecks::CheckOne(const RelationRecord& record) const {
  BATON_ASSIGN_OR_RETURN(const std::shared_ptr<Volume> source, UsableVolume(record.source()));
  BATON_ASSIGN_OR_RETURN(const std::shared_ptr<Volume> target, UsableVolume(record.target()));
  for (const auto& volume : {source, target}) {
    if (volume->file->size_bytes() == record.size_bytes()) continue;
    return Error(absl::StatusCode::kFailedPrecondition,
                 "volume {} has grown since clone {} was created: delete the clone and create it "
                 "anew, with volumes of the same size",
                 volume->name, record.id());
  }
  if (target->openings.count() > 0) return TargetIsOpen(*target);
  return CheckPair(record);
}

// One that is completed has left the paths of its volumes. One that is created would be activated
// with its old size by an owner of an older version.
absl::Status CloneChecks::CheckMayGrow(const CloneLocks::Command&,
                                       const std::string& volume) const {
  absl::Status status;
  table_.ForEach([&](const Relation& relation) {
    const RelationRecord& record = relation.record;
    const bool names_it = record.source() == volume || record.target() == volume;
    if (!names_it || record.state() == COMPLETED || !status.ok()) return;
    status = Error(absl::StatusCode::kFailedPrecondition, "clone {} uses volume {} and is {}: {}",
                   record.id(), volume, Name(record.state()),
                   record.state() == CREATED ? "delete it, and create it anew afterwards"
                                             : "wait for its end, or stop and delete it");
  });
  return status;
}

// Relations that are to become active together are in each other's way like active ones.
absl::Status CloneChecks::CheckGroup(const std::vector<Relation>& relations) const {
  if (const size_t active = table_.CountActive();
      active + relations.size() > limits::kMaxActiveRelations) {
    return Error(absl::StatusCode::kResourceExhausted, "{} clones are active, and the limit is {}",
                 active, limits::kMaxActiveRelations);
  }
  std::map<std::string, uint64_t> targets;
  for (const Relation& relation : relations) {
    const RelationRecord& record = relation.record;
    const auto [other, is_new] = targets.emplace(record.target(), record.id());
    if (is_new) continue;
    return Error(absl::StatusCode::kFailedPrecondition,
                 "volume {} is the target of clone {} and of clone {}: activate one of them",
                 record.target(), other->second, record.id());
  }
  for (const Relation& relation : relations) {
    const RelationRecord& record = relation.record;
    const auto other = targets.find(record.source());
    if (other == targets.end()) continue;
    return Error(absl::StatusCode::kFailedPrecondition,
                 "volume {} is the target of clone {} and the source of clone {}: activate one of "
                 "them",
                 record.source(), other->second, record.id());
  }
  return absl::OkStatus();
}

}  // namespace baton
