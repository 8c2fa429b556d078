#include "engine/clone/clone_queries.h"

#include <algorithm>

#include "engine/base/status.h"
#include "engine/clone/clone_status.h"

namespace baton {
namespace {

// A job with a target keeps to the lower one of two limits.
void AddPace(const PaceReport& report, CloneStatus& view) {
  if (!report.is_on) return;
  view.set_host_p99_us(report.host_p99_us);
  const uint64_t found = report.limit_bytes_per_second;
  const uint64_t rate = view.rate_bytes_per_second();
  view.set_copy_limit_bytes_per_second(found == 0 || rate == 0 ? std::max(found, rate)
                                                               : std::min(found, rate));
}

}  // namespace

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
  CloneStatus view = MakeCloneStatus(
      relation.record, residuals_.Of(relation, false),
      relation.run ? relation.run->progress().copies.load() : relation.record.copies_total());
  if (relation.run != nullptr) AddPace(relation.run->pace_report(), view);
  return view;
}

}  // namespace baton
