// A change of relations' records: checked, durable, then visible.
#pragma once

#include <absl/functional/function_ref.h>

#include <string>
#include <utility>
#include <vector>

#include "engine/clone/clones.h"

namespace baton {

// Holds Clones::changes_ for as long as it lives. What is added takes effect at Commit, all
// together; a Change that is dropped changed nothing.
class Clones::Change {
 public:
  explicit Change(Clones& clones) : clones_(clones), guard_(clones.changes_) {}

  using Edit = absl::FunctionRef<void(RelationRecord&)>;
  // FailedPrecondition when the relation's state does not allow the action.
  absl::Status Add(
      Relation& relation, Action action, Edit edit = [](RelationRecord&) {});
  // A change of the record that is no transition.
  void Set(Relation& relation, Edit edit);
  // What happened, for people; `kind` without its "clone-".
  void AddEvent(const RelationRecord& record, const std::string& kind, const std::string& text);
  MetaBatch& batch() { return batch_; }

  // An error is a fault of the engine: nothing became visible, nothing can go on.
  absl::Status Commit(Durable durable = Durable::kYes);

 private:
  Clones& clones_;
  SleepLock::Guard guard_;
  MetaBatch batch_;
  std::vector<std::pair<Relation*, RelationRecord>> staged_;
};

}  // namespace baton
