#include "engine/clone/clone_queries.h"

#include "engine/base/status.h"
#include "engine/clone/clone_status.h"

namespace baton {

std::vector<CloneStatus> CloneQueries::List() const {
  std::vector<CloneStatus> all;
  table_.ForEach([&](const Relation& relation) { all.push_back(ViewOf(relation)); });
  return all;
}

absl::StatusOr<CloneStatus> CloneQueries::Show(uint64_t id) const {
  BATON_ASSIGN_OR_RETURN(const Relation relation, table_.Get(id));
  return ViewOf(relation);
}

absl::StatusOr<Residual> CloneQueries::ShowResidual(uint64_t id, bool with_extents) const {
  BATON_ASSIGN_OR_RETURN(const Relation relation, table_.Get(id));
  return residuals_.Of(relation, with_extents);
}

CloneStatus CloneQueries::ViewOf(const Relation& relation) const {
  return MakeCloneStatus(
      relation.record, residuals_.Of(relation, false),
      relation.run ? relation.run->progress().copies.load() : relation.record.copies_total());
}

}  // namespace baton
