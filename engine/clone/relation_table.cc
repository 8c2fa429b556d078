#include "engine/clone/relation_table.h"

#include <algorithm>
#include <utility>

#include "engine/clone/clone_status.h"
#include "engine/clone/state.h"

namespace baton {

absl::StatusOr<Relation> RelationTable::Get(uint64_t id) const {
  absl::ReaderMutexLock guard(&mutex_);
  const auto found = relations_.find(id);
  if (found != relations_.end()) return found->second;
  return NoSuchClone(id);
}

void RelationTable::ForEach(absl::FunctionRef<void(const Relation&)> visit) const {
  absl::ReaderMutexLock guard(&mutex_);
  for (const auto& [id, relation] : relations_) visit(relation);
}

size_t RelationTable::CountActive() const {
  size_t count = 0;
  ForEach([&](const Relation& relation) { count += IsActive(relation.record.state()) ? 1 : 0; });
  return count;
}

std::optional<uint64_t> RelationTable::FindRun(uint64_t run_id) const {
  std::optional<uint64_t> found;
  ForEach([&](const Relation& relation) {
    if (relation.record.run_id() == run_id) found = relation.record.id();
  });
  return found;
}

bool RelationTable::HasView(const std::string& volume) const {
  absl::ReaderMutexLock guard(&mutex_);
  return std::any_of(relations_.begin(), relations_.end(), [&](const auto& entry) {
    return entry.second.record.target() == volume && entry.second.run != nullptr;
  });
}

void RelationTable::Publish(const CloneLocks::Change&, std::vector<RelationRecord> records) {
  absl::MutexLock guard(&mutex_);
  for (RelationRecord& record : records) {
    const auto found = relations_.find(record.id());
    if (found != relations_.end()) found->second.record = std::move(record);
  }
}

void RelationTable::Insert(const CloneLocks::Change&, RelationRecord record) {
  const uint64_t id = record.id();
  absl::MutexLock guard(&mutex_);
  relations_[id].record = std::move(record);
}

void RelationTable::SetRun(const CloneLocks::Command&, uint64_t id, std::shared_ptr<CloneRun> run) {
  absl::MutexLock guard(&mutex_);
  const auto found = relations_.find(id);
  if (found != relations_.end()) found->second.run.swap(run);
}

void RelationTable::Erase(const CloneLocks::Command&, uint64_t id) {
  absl::MutexLock guard(&mutex_);
  relations_.erase(id);
}

}  // namespace baton
