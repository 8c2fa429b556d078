#include "engine/clone/clone_status.h"

#include <absl/strings/numbers.h>

#include <algorithm>

#include "engine/base/limits.h"
#include "engine/base/status.h"
#include "engine/clone/state.h"

namespace baton {

CloneStatus MakeCloneStatus(const RelationRecord& record, const Residual& residual,
                            uint64_t copies_total) {
  CloneStatus view;
  view.set_id(record.id());
  view.set_source(record.source());
  view.set_target(record.target());
  view.set_state(Name(record.state()));
  view.set_extent_bytes(record.extent_bytes());
  view.set_size_bytes(record.size_bytes());
  const uint64_t total = GeometryOf(record).extents();
  view.set_extents_total(total);
  view.set_extents_copied(total - residual.extents_residual());
  view.set_extents_pending(residual.extents_pending());
  view.set_extents_copying(residual.extents_copying());
  view.set_extents_landing(residual.extents_landing());
  view.set_copies_total(copies_total);
  view.set_certificate(record.certificate());
  view.set_error(record.error());
  view.set_rate_bytes_per_second(record.rate_bytes_per_second());
  view.set_latency_target_us(record.latency_target_us());
  view.set_on_error(record.on_error() == FAIL_WRITE ? "fail-write" : "fail-clone");
  view.set_created_unix_us(record.created_unix_us());
  view.set_started_unix_us(record.started_unix_us());
  view.set_completed_unix_us(record.completed_unix_us());
  return view;
}

void AddRun(ExtentSpan span, ExtentRuns& runs, Residual& residual) {
  if (span.count == 0) return;
  if (static_cast<size_t>(runs.size()) >= limits::kMaxRunsShown) {
    residual.set_runs_left_out(residual.runs_left_out() + 1);
    return;
  }
  ExtentRun& run = *runs.Add();
  run.set_first(span.first);
  run.set_count(span.count);
}

void AddPendingRuns(const Bitmap& copied, const std::vector<ExtentSpan>& taken,
                    Residual& residual) {
  auto other = taken.begin();
  for (uint64_t first = 0; (first = copied.NextClear(first, copied.bits())) < copied.bits();) {
    while (other != taken.end() && other->end() <= first) ++other;
    if (other != taken.end() && other->first <= first) {
      first = other->end();
      continue;
    }
    uint64_t end = copied.NextSet(first, copied.bits());
    if (other != taken.end()) end = std::min(end, other->first);
    AddRun({first, end - first}, *residual.mutable_pending(), residual);
    first = end;
  }
}

void SetResidualSum(const RelationRecord& record, uint64_t left, Residual& residual) {
  residual.set_extents_residual(left);
  residual.set_bytes_residual(std::min(record.size_bytes(), left * record.extent_bytes()));
}

Residual ResidualWithoutRun(const RelationRecord& record, bool with_extents) {
  Residual residual;
  if (record.state() == COMPLETED) return residual;
  const uint64_t left = GeometryOf(record).extents();
  residual.set_extents_pending(left);
  if (with_extents) AddRun({0, left}, *residual.mutable_pending(), residual);
  SetResidualSum(record, left, residual);
  return residual;
}

absl::StatusOr<uint64_t> ChooseClone(const std::string& text, const CloneMatches& matches) {
  uint64_t number = 0;
  if (!absl::SimpleAtoi(text, &number)) {
    return matches.by_target ? absl::StatusOr<uint64_t>(*matches.by_target) : NoSuchClone(text);
  }
  if (!matches.by_target || *matches.by_target == number) {
    return matches.by_number ? absl::StatusOr<uint64_t>(number) : NoSuchClone(number);
  }
  return Error(absl::StatusCode::kInvalidArgument,
               "{0} may be the number of a clone, or the target of clone {1}: say +{0} or +{1}",
               text, *matches.by_target);
}

absl::Status NoSuchClone(uint64_t id) {
  return Error(absl::StatusCode::kNotFound, "there is no clone {}; `baton clone list` shows all",
               id);
}

absl::Status NoSuchClone(const std::string& id_or_target) {
  return Error(absl::StatusCode::kNotFound,
               "there is no clone with the id or the target {}; `baton clone list` shows all",
               id_or_target);
}

absl::Status NoSuchVolume(const std::string& name) {
  return Error(absl::StatusCode::kNotFound, "there is no volume {}; `baton volume list` shows all",
               name);
}

absl::Status NoSuchVolume(uint64_t id) {
  return Error(absl::StatusCode::kNotFound, "there is no volume with the id {}", id);
}

}  // namespace baton
