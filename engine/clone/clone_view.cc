// What is shown of clones.
#include <algorithm>

#include "engine/base/status.h"
#include "engine/clone/clones.h"

namespace baton {
namespace {

void AddRun(ExtentSpan span, google::protobuf::RepeatedPtrField<ExtentRun>& runs) {
  if (span.count == 0 || static_cast<size_t>(runs.size()) >= limits::kMaxRunsShown) return;
  ExtentRun& run = *runs.Add();
  run.set_first(span.first);
  run.set_count(span.count);
}

// The clear bits of `copied` that no span of `copying` (ascending) covers.
void AddPending(const Bitmap& copied, const std::vector<ExtentSpan>& copying,
                google::protobuf::RepeatedPtrField<ExtentRun>& runs) {
  auto claim = copying.begin();
  for (uint64_t first = 0; (first = copied.NextClear(first, copied.bits())) < copied.bits();) {
    while (claim != copying.end() && claim->end() <= first) ++claim;
    if (claim != copying.end() && claim->first <= first) {
      first = claim->end();
      continue;
    }
    uint64_t end = copied.NextSet(first, copied.bits());
    if (claim != copying.end()) end = std::min(end, claim->first);
    AddRun({first, end - first}, runs);
    first = end;
  }
}

}  // namespace

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
  const RelationRecord& record = relation.record;
  CloneStatus view;
  view.set_id(record.id());
  view.set_source(record.source());
  view.set_target(record.target());
  view.set_state(Name(record.state()));
  view.set_extent_bytes(record.extent_bytes());
  view.set_size_bytes(record.size_bytes());
  const Residual residual = ResidualOf(relation, false);
  const uint64_t total = Geometry{record.size_bytes(), record.extent_bytes()}.extents();
  view.set_extents_total(total);
  view.set_extents_copied(total - residual.extents_residual());
  view.set_extents_pending(residual.extents_pending());
  view.set_extents_copying(residual.extents_copying());
  view.set_extents_landing(residual.extents_landing());
  view.set_copies_total(relation.run ? relation.run->progress().copies.load()
                                     : record.copies_total());
  view.set_certificate(record.certificate());
  view.set_error(record.error());
  view.set_rate_bytes_per_second(record.rate_bytes_per_second());
  view.set_on_error(record.on_error() == FAIL_WRITE ? "fail-write" : "fail-clone");
  view.set_created_unix_us(record.created_unix_us());
  view.set_started_unix_us(record.started_unix_us());
  view.set_completed_unix_us(record.completed_unix_us());
  return view;
}

Residual Clones::ResidualOf(const Relation& relation, bool with_extents) const {
  const RelationRecord& record = relation.record;
  const Geometry geometry{record.size_bytes(), record.extent_bytes()};
  Residual residual;
  residual.set_id(record.id());
  residual.set_sequence(catalog_.last_sequence());
  if (record.state() == COMPLETED) return residual;
  uint64_t left = geometry.extents();
  if (const CloneRun* run = relation.run.get()) {
    left -= run->progress().recorded;
    const uint64_t landing = std::min<uint64_t>(left, run->progress().landing);
    const uint64_t copying = std::min(left - landing, run->claims().copying());
    residual.set_extents_landing(landing);
    residual.set_extents_copying(copying);
    residual.set_extents_pending(left - landing - copying);
    if (with_extents) {
      const std::vector<ExtentSpan> claims = run->claims().Snapshot();
      AddPending(run->copied(), claims, *residual.mutable_pending());
      for (const ExtentSpan& span : claims) AddRun(span, *residual.mutable_copying());
      if (lander_ == nullptr) return residual;
      for (const ExtentSpan& span : lander_->Snapshot(run->progress())) {
        AddRun(span, *residual.mutable_landing());
      }
    }
  } else {
    residual.set_extents_pending(left);
    if (with_extents) AddRun({0, left}, *residual.mutable_pending());
  }
  residual.set_extents_residual(left);
  residual.set_bytes_residual(std::min(record.size_bytes(), left * record.extent_bytes()));
  return residual;
}

}  // namespace baton
