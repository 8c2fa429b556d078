#include "cli/baton/extent_map.h"

#include <algorithm>

namespace baton {
namespace {

using ExtentRuns = google::protobuf::RepeatedPtrField<ExtentRun>;

void MarkRuns(const ExtentRuns& runs, uint64_t extents_total, char mark, std::string& cells) {
  const auto cell_of = [&](uint64_t extent) {
    const double share = static_cast<double>(extent) / static_cast<double>(extents_total);
    return std::min(static_cast<size_t>(share * static_cast<double>(cells.size())),
                    cells.size() - 1);
  };
  for (const ExtentRun& run : runs) {
    if (run.count() == 0) continue;
    const size_t last = cell_of(run.first() + run.count() - 1);
    for (size_t i = cell_of(run.first()); i <= last; ++i) cells[i] = mark;
  }
}

}  // namespace

std::string ExtentMap(const Residual& residual, uint64_t extents_total, size_t width) {
  std::string cells(width, '#');
  if (extents_total == 0 || width == 0) return cells;
  MarkRuns(residual.pending(), extents_total, '.', cells);
  MarkRuns(residual.landing(), extents_total, '+', cells);
  MarkRuns(residual.copying(), extents_total, '+', cells);
  return cells;
}

}  // namespace baton
