#include "engine/clone/residuals.h"

#include <algorithm>
#include <vector>

#include "engine/base/status.h"
#include "engine/clone/clone_status.h"

namespace baton {

Residual Residuals::Of(const Relation& relation, bool with_extents) const {
  const RelationRecord& record = relation.record;
  const CloneRun* const run = record.state() == COMPLETED ? nullptr : relation.run.get();
  Residual residual;
  if (run == nullptr) residual = ResidualWithoutRun(record, with_extents);
  residual.set_id(record.id());
  residual.set_sequence(catalog_.last_sequence());
  if (run == nullptr) return residual;
  const uint64_t left = GeometryOf(record).extents() - run->progress().recorded;
  const uint64_t landing = std::min<uint64_t>(left, run->progress().landing);
  const uint64_t copying = std::min(left - landing, run->locks().copying());
  residual.set_extents_landing(landing);
  residual.set_extents_copying(copying);
  residual.set_extents_pending(left - landing - copying);
  SetResidualSum(record, left, residual);
  if (with_extents) AddExtents(*run, residual);
  return residual;
}

void Residuals::AddExtents(const CloneRun& run, Residual& residual) const {
  const std::vector<ExtentSpan> locked = run.locks().Snapshot();
  AddPendingRuns(run.copied(), locked, residual);
  for (const ExtentSpan& span : locked) {
    AddRun(span, *residual.mutable_copying(), residual);
  }
  for (const ExtentSpan& span : pipeline_.Landing(run.progress())) {
    AddRun(span, *residual.mutable_landing(), residual);
  }
}

void Residuals::AddEvent(const std::string& kind, const RelationRecord& record,
                         const Residual& residual, MetaBatch& batch) const {
  Event event;
  event.set_kind(kind);
  event.set_clone_id(record.id());
  event.set_text(fmt::format(
      "clone {} ({} -> {}): {} of {} extents are left, {} pending, {} copying, {} landing",
      record.id(), record.source(), record.target(), residual.extents_residual(),
      GeometryOf(record).extents(), residual.extents_pending(), residual.extents_copying(),
      residual.extents_landing()));
  *event.mutable_residual() = residual;
  catalog_.AddEvent(batch, std::move(event));
}

}  // namespace baton
