#include "engine/feedback.h"

#include <algorithm>
#include <map>
#include <string>

#include "engine/base/status.h"

namespace baton {
namespace {

using ById = std::map<uint64_t, const Residual*>;

ById IndexOf(const std::vector<Residual>& residuals) {
  ById by_id;
  for (const Residual& residual : residuals) by_id[residual.id()] = &residual;
  return by_id;
}

void AddDifference(uint64_t id, const std::string& what, std::string& differences) {
  differences += fmt::format("{}clone {}: {}", differences.empty() ? "" : "; ", id, what);
}

void CompareOne(const Residual& said, const Residual& found, std::string& differences) {
  const auto differ = [&](const std::string& what) { AddDifference(said.id(), what, differences); };
  if (said.extents_copying() != 0) {
    differ(fmt::format("{} extents were said to be copying, after a seal", said.extents_copying()));
  }
  if (found.extents_copying() + found.extents_landing() != 0) {
    differ(fmt::format("{} extents are copying and {} landing, before any copier ran",
                       found.extents_copying(), found.extents_landing()));
  }
  const uint64_t fewest =
      said.extents_pending() - std::min(said.extents_pending(), said.extents_named());
  if (found.extents_pending() > said.extents_pending() || found.extents_pending() < fewest) {
    differ(fmt::format("{} extents were said to be pending, {} are", said.extents_pending(),
                       found.extents_pending()));
  }
  if (found.sequence() < said.sequence()) {
    differ(fmt::format("the metadata reached write {}, and now ends at {}", said.sequence(),
                       found.sequence()));
  }
}

}  // namespace

absl::Status CompareFeedback(const std::vector<Residual>& said,
                             const std::vector<Residual>& found) {
  const ById said_by_id = IndexOf(said);
  const ById found_by_id = IndexOf(found);
  std::string differences;
  for (const auto& [id, residual] : said_by_id) {
    const auto other = found_by_id.find(id);
    if (other == found_by_id.end()) {
      AddDifference(id, "it was said to be running, and is not", differences);
    } else {
      CompareOne(*residual, *other->second, differences);
    }
  }
  for (const auto& [id, residual] : found_by_id) {
    if (!said_by_id.contains(id)) AddDifference(id, "it is running, unsaid", differences);
  }
  if (differences.empty()) return absl::OkStatus();
  return Error(absl::StatusCode::kDataLoss,
               "the feedback of the owner before is not what was "
               "found: {}",
               differences);
}

}  // namespace baton
