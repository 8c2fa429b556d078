// Stop with feedback: what the old owner has said against what the new one has found.
#pragma once

#include <absl/status/status.h>

#include <vector>

#include "engine/base/model.pb.h"

namespace baton {

// `said`: the answer of Engine::Seal of the epoch before; `found`: Engine::CloneResidual of every
// running clone after recovery, before any copier runs (StartCopiers). OK when they tell the same:
// the same clones; for each as many pending extents, less what the old owner said to be named by
// slots; nothing copying or landing any more, but for
// what the old owner said to be landing, which must have been found and recorded; metadata that
// does not end before what the old owner had written. DataLoss otherwise: says which clone and how
// they differ; all differences, in one line.
absl::Status CompareFeedback(const std::vector<Residual>& said, const std::vector<Residual>& found);

}  // namespace baton
