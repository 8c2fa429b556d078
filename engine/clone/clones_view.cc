// What is shown of clones.
#include <algorithm>

#include "engine/base/status.h"
#include "engine/clone/clone_status.h"
#include "engine/clone/clones.h"

namespace baton {
std::vector<CloneStatus> Clones::List() const {
  absl::ReaderMutexLock guard(&mutex_);
  std::vector<CloneStatus> all;
  for (const auto& [id, relation] : relations_) all.push_back(ViewOf(*relation));
  return all;
}

absl::StatusOr<CloneStatus> Clones::Show(uint64_t id) const {
  BATON_ASSIGN_OR_RETURN(const RelationPtr relation, Get(id));
  absl::ReaderMutexLock guard(&mutex_);
  return ViewOf(*relation);
}

absl::StatusOr<Residual> Clones::ShowResidual(uint64_t id, bool with_extents) const {
  BATON_ASSIGN_OR_RETURN(const RelationPtr relation, Get(id));
  absl::ReaderMutexLock guard(&mutex_);
  return ResidualOf(*relation, with_extents);
}

CloneStatus Clones::ViewOf(const Relation& relation) const {
  return MakeCloneStatus(
      relation.record, ResidualOf(relation, false),
      relation.run ? relation.run->progress().copies.load() : relation.record.copies_total());
}

Residual Clones::ResidualOf(const Relation& relation, bool with_extents) const {
  const RelationRecord& record = relation.record;
  Residual residual;
  residual.set_id(record.id());
  residual.set_sequence(catalog_.last_sequence());
  if (record.state() == COMPLETED) return residual;
  uint64_t left = GeometryOf(record).extents();
  if (const CloneRun* run = relation.run.get()) {
    left -= run->progress().recorded;
    const uint64_t landing = std::min<uint64_t>(left, run->progress().landing);
    const uint64_t copying = std::min(left - landing, run->locks().copying());
    residual.set_extents_landing(landing);
    residual.set_extents_copying(copying);
    residual.set_extents_pending(left - landing - copying);
    if (with_extents) {
      const std::vector<ExtentSpan> locks = run->locks().Snapshot();
      AddPendingRuns(run->copied(), locks, *residual.mutable_pending());
      for (const ExtentSpan& span : locks) AddRun(span, *residual.mutable_copying());
      if (writeback_ == nullptr) return residual;
      // In this order: what is handed over meanwhile is found twice, and not missed.
      std::vector<ExtentSpan> landing = writeback_->Snapshot(run->progress());
      const std::vector<ExtentSpan> carried = committer_->Snapshot(run->progress());
      landing.insert(landing.end(), carried.begin(), carried.end());
      std::sort(landing.begin(), landing.end(),
                [](ExtentSpan a, ExtentSpan b) { return a.first < b.first; });
      landing.erase(std::unique(landing.begin(), landing.end(),
                                [](ExtentSpan a, ExtentSpan b) { return a.first == b.first; }),
                    landing.end());
      for (const ExtentSpan& span : landing) AddRun(span, *residual.mutable_landing());
    }
  } else {
    residual.set_extents_pending(left);
    if (with_extents) AddRun({0, left}, *residual.mutable_pending());
  }
  SetResidualSum(record, left, residual);
  return residual;
}

}  // namespace baton
