// The registry of a pool's clone relations.
#pragma once

#include <absl/functional/function_ref.h>
#include <absl/status/statusor.h>
#include <absl/synchronization/mutex.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/clone/clone_locks.h"
#include "engine/clone/relation.h"

namespace baton {

// Thread-safe. Whoever looks sees all of a change of records, or nothing of it. A record changes
// inside a Change only, everything else inside a Command only.
class RelationTable {
 public:
  // NotFound: there is none.
  absl::StatusOr<Relation> Get(uint64_t id) const;
  // In the order of their numbers, at one instant. `visit` runs under a lock: it waits for nothing.
  void ForEach(absl::FunctionRef<void(const Relation&)> visit) const;
  // Those that have a hold on their volumes (IsActive).
  size_t CountActive() const;
  // The relation whose run it is.
  std::optional<uint64_t> FindRun(uint64_t run_id) const;
  // What the volume shows is not what its file holds: the target of a clone that has not ended.
  bool HasView(const std::string& volume) const;

  // Both: what is seen from now on is durable. A relation that was erased does not come back.
  void Insert(const CloneLocks::Change&, RelationRecord record);
  void Publish(const CloneLocks::Change&, std::vector<RelationRecord> records);
  // Null: none any more. Nothing happens when there is no such relation.
  void SetRun(const CloneLocks::Command&, uint64_t id, std::shared_ptr<CloneRun> run);
  void Erase(const CloneLocks::Command&, uint64_t id);

 private:
  mutable absl::Mutex mutex_;  // never held over I/O
  std::map<uint64_t, Relation> relations_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace baton
