#include "engine/clone/relation_changes.h"

#include <utility>

#include "engine/base/status.h"

namespace baton {

absl::Status RelationChanges::Change::Add(uint64_t id, Action action, Edit edit) {
  BATON_ASSIGN_OR_RETURN(const Relation relation, changes_.table_.Get(id));
  BATON_RETURN_IF_ERROR(CheckAllowed(action, relation.record));
  return Set(id, [&](RelationRecord& record) {
    record.set_state(StateAfter(action, record.state()));
    edit(record);
  });
}

absl::Status RelationChanges::Change::Set(uint64_t id, Edit edit) {
  BATON_ASSIGN_OR_RETURN(Relation relation, changes_.table_.Get(id));
  edit(relation.record);
  changes_.catalog_.PutRelation(batch_, relation.record);
  changed_.push_back(std::move(relation.record));
  return absl::OkStatus();
}

uint64_t RelationChanges::Change::Create(RelationRecord record, Edit edit) {
  const uint64_t id = changes_.catalog_.AllocateId(batch_);
  record.set_id(id);
  edit(record);
  changes_.catalog_.PutRelation(batch_, record);
  created_.push_back(std::move(record));
  return id;
}

void RelationChanges::Change::Delete(const RelationRecord& record) {
  changes_.catalog_.DeleteRelation(batch_, record.id());
  if (record.run_id() != 0) changes_.catalog_.DropRun(batch_, record.run_id());
}

void RelationChanges::Change::AddEvent(const RelationRecord& record, const std::string& kind,
                                       const std::string& text) {
  Event event;
  event.set_kind("clone-" + kind);
  event.set_text(
      fmt::format("clone {} ({} -> {}) {}", record.id(), record.source(), record.target(), text));
  event.set_clone_id(record.id());
  changes_.catalog_.AddEvent(batch_, std::move(event));
}

absl::Status RelationChanges::Change::Commit(Durable durable) {
  BATON_RETURN_IF_ERROR(changes_.fault_.Check());
  const absl::Status status = changes_.catalog_.Commit(std::move(batch_), durable);
  if (!status.ok()) return changes_.fault_.Report(status);
  changes_.table_.Publish(scope_, std::move(changed_));
  for (RelationRecord& record : created_) changes_.table_.Insert(scope_, std::move(record));
  return absl::OkStatus();
}

}  // namespace baton
