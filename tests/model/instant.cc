#include "tests/model/instant.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

namespace baton::model {

void Instant::Add(const std::string& name, const VolumeModel::T0& t0, Bytes content) {
  for (uint64_t index = 0; index < t0.size(); ++index) {
    uint64_t stamp = 0;
    std::memcpy(&stamp, content.data() + index * kCellBytes, sizeof(stamp));
    Cell cell{name, index, {}, {}};
    for (const VolumeModel::Candidate& candidate : t0[index]) {
      (candidate.stamp == stamp ? cell.seen : cell.others).push_back(candidate);
    }
    if (cell.seen.empty()) continue;  // the model of the target says what is wrong
    uint64_t begin = cell.seen.front().begin;
    for (const VolumeModel::Candidate& seen : cell.seen) begin = std::min(begin, seen.begin);
    if (begin > latest_begin_) {
      latest_begin_ = begin;
      latest_ = fmt::format("write {} in cell {} of {}", stamp, index, name);
    }
    if (!cell.others.empty()) contended_.push_back(std::move(cell));
  }
}

std::string Instant::Check() const {
  for (const Cell& cell : contended_) {
    if (!IsStale(cell)) continue;
    return fmt::format(
        "cell {} of {} shows write {}, which was overwritten before another write began that is "
        "seen: {}",
        cell.index, cell.name, cell.seen.front().stamp, latest_);
  }
  return "";
}

bool Instant::IsStale(const Cell& cell) const {
  return std::all_of(cell.seen.begin(), cell.seen.end(), [&](const auto& seen) {
    return std::any_of(cell.others.begin(), cell.others.end(), [&](const auto& other) {
      return other.begin > seen.end && other.end < latest_begin_;
    });
  });
}

}  // namespace baton::model
