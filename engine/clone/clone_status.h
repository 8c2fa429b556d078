// What is shown of a clone: the same words on an owner and on a standby.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <optional>
#include <string>
#include <vector>

#include "engine/base/model.pb.h"
#include "engine/clone/bitmap.h"
#include "engine/clone/extents.h"

namespace baton {

using ExtentRuns = google::protobuf::RepeatedPtrField<ExtentRun>;

inline Geometry GeometryOf(const RelationRecord& record) {
  return {record.size_bytes(), record.extent_bytes()};
}

CloneStatus MakeCloneStatus(const RelationRecord& record, const Residual& residual,
                            uint64_t copies_total);

// Appends `span`, unless it is empty, to `runs` of `residual`; where there are
// limits::kMaxRunsShown already it is counted as left out.
void AddRun(ExtentSpan span, ExtentRuns& runs, Residual& residual);
// Those that are pending: the clear bits of `copied` that no span of `taken` (ascending) covers.
void AddPendingRuns(const Bitmap& copied, const std::vector<ExtentSpan>& taken, Residual& residual);
// Sets the sum: `left` extents.
void SetResidualSum(const RelationRecord& record, uint64_t left, Residual& residual);
// Of a clone that has no run: nothing is left of one that is complete, all of any other. Without
// `id` and `sequence`.
Residual ResidualWithoutRun(const RelationRecord& record, bool with_extents);

// Which clone `text` means: a number, or the name of a target. `by_number`: the clone of that
// number, if there is one; `by_target`: the newest of those with that target. "+7" is always a
// number. InvalidArgument: "7" is a target's name, too, and might mean either.
struct CloneMatches {
  std::optional<uint64_t> by_number = std::nullopt;
  std::optional<uint64_t> by_target = std::nullopt;
};
absl::StatusOr<uint64_t> ChooseClone(const std::string& text, const CloneMatches& matches);

// NotFound, in the words that every controller uses.
absl::Status NoSuchClone(uint64_t id);
absl::Status NoSuchClone(const std::string& id_or_target);
absl::Status NoSuchVolume(const std::string& name);
absl::Status NoSuchVolume(uint64_t id);

}  // namespace baton
