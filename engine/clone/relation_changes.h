// Changes of relations' records: checked, durable, then visible.
#pragma once

#include <absl/functional/function_ref.h>
#include <absl/status/status.h>

#include <string>
#include <vector>

#include "engine/base/fault.h"
#include "engine/clone/clone_locks.h"
#include "engine/clone/relation_table.h"
#include "engine/clone/state.h"
#include "engine/meta/catalog.h"

namespace baton {

// Thread-safe; one change at a time.
class RelationChanges {
 public:
  RelationChanges(CloneLocks& locks, RelationTable& table, Catalog& catalog, Fault& fault)
      : locks_(locks), table_(table), catalog_(catalog), fault_(fault) {}

  // Holds the lock of changes for as long as it lives. What is added takes effect at Commit, all
  // together; a Change that is dropped changed nothing. Lives on the stack of one thread.
  class Change {
   public:
    explicit Change(RelationChanges& changes) : changes_(changes), scope_(changes.locks_) {}

    using Edit = absl::FunctionRef<void(RelationRecord&)>;
    // FailedPrecondition when the relation's state does not allow the action. NotFound.
    absl::Status Add(
        uint64_t id, Action action, Edit edit = [](RelationRecord&) {});
    // A change of the record that is no transition. NotFound.
    absl::Status Set(uint64_t id, Edit edit);
    // A relation that is not there yet. It gets a number, then `edit`; returns its number.
    uint64_t Create(RelationRecord record, Edit edit);
    // Its record and its run go away, durably. It stays in the table.
    void Delete(const RelationRecord& record);
    // What happened, for people; `kind` without its "clone-".
    void AddEvent(const RelationRecord& record, const std::string& kind, const std::string& text);
    MetaBatch& batch() { return batch_; }

    // An error is a fault of the engine: nothing became visible, nothing can go on. After a fault,
    // so also where what is to be recorded comes from it, nothing is recorded: Aborted.
    absl::Status Commit(Durable durable = Durable::kYes);

   private:
    RelationChanges& changes_;
    const CloneLocks::Change scope_;
    MetaBatch batch_;
    std::vector<RelationRecord> changed_;
    std::vector<RelationRecord> created_;
  };

 private:
  CloneLocks& locks_;
  RelationTable& table_;
  Catalog& catalog_;
  Fault& fault_;
};

}  // namespace baton
