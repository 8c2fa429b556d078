#include "cli/http/volume_series.h"

#include <algorithm>

#include "cli/http/http_settings.h"

namespace baton::http {

VolumeCounts VolumeSeries::Note(const std::vector<fs::VolumeIoCounts>& volumes,
                                const std::optional<VolumeNames>& names) {
  absl::MutexLock lock(&mutex_);
  if (names) Learn(*names);
  static const VolumeNames kNone;
  VolumeCounts counts;
  for (const fs::VolumeIoCounts& volume : volumes) {
    const std::string* const series = SeriesOf(volume.volume_id, names ? *names : kNone);
    if (series == nullptr) continue;
    fs::PerKind<fs::IoCount>& sum = counts[*series];
    for (size_t kind = 0; kind < fs::kIoKinds; ++kind) {
      sum[kind].requests += volume.kinds[kind].requests;
      sum[kind].bytes += volume.kinds[kind].bytes;
    }
  }
  return counts;
}

// What was known and is not any more has been deleted.
void VolumeSeries::Learn(const VolumeNames& names) {
  if (!names.empty()) newest_ = std::max(newest_, names.rbegin()->first);
  for (auto each = shown_.begin(); each != shown_.end();) {
    const auto found = names.find(each->first);
    if (found == names.end()) {
      others_.insert(each->first);
      each = shown_.erase(each);
    } else {
      (each++)->second = found->second;
    }
  }
}

const std::string* VolumeSeries::SeriesOf(uint64_t id, const VolumeNames& names) {
  if (const auto found = shown_.find(id); found != shown_.end()) return &found->second;
  if (others_.contains(id)) return &others_name_;
  const auto known = names.find(id);
  if (known == names.end() && id > newest_) return nullptr;
  if (known != names.end() && shown_.size() < kVolumesShown) {
    return &shown_.emplace(*known).first->second;
  }
  others_.insert(id);
  return &others_name_;
}

}  // namespace baton::http
