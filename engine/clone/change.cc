#include "engine/clone/change.h"

#include "engine/base/status.h"

namespace baton {

absl::Status Clones::Change::Add(Relation& relation, Action action, Edit edit) {
  const RelationRecord before = clones_.RecordOf(relation);
  BATON_RETURN_IF_ERROR(CheckAllowed(action, before));
  Set(relation, [&](RelationRecord& record) {
    record.set_state(StateAfter(action, record.state()));
    edit(record);
  });
  return absl::OkStatus();
}

void Clones::Change::Set(Relation& relation, Edit edit) {
  RelationRecord record = clones_.RecordOf(relation);
  edit(record);
  clones_.catalog_.PutRelation(batch_, record);
  staged_.emplace_back(&relation, std::move(record));
}

void Clones::Change::AddEvent(const RelationRecord& record, const std::string& kind,
                              const std::string& text) {
  Event event;
  event.set_kind("clone-" + kind);
  event.set_text(
      fmt::format("clone {} ({} -> {}) {}", record.id(), record.source(), record.target(), text));
  event.set_clone_id(record.id());
  clones_.catalog_.AddEvent(batch_, std::move(event));
}

absl::Status Clones::Change::Commit(Durable durable) {
  const absl::Status status = clones_.catalog_.Commit(std::move(batch_), durable);
  if (!status.ok()) return clones_.fault_.Report(status);
  absl::MutexLock guard(&clones_.mutex_);
  for (auto& [relation, record] : staged_) relation->record = std::move(record);
  return absl::OkStatus();
}

}  // namespace baton
