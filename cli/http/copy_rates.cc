#include "cli/http/copy_rates.h"

#include <utility>

namespace baton::http {

std::map<uint64_t, CopyRate> CopyRates::Note(absl::Duration now, const CloneStatuses& clones) {
  std::map<uint64_t, CopyRate> rates;
  absl::MutexLock lock(&mutex_);
  std::map<uint64_t, Samples> kept;  // of those that there still are
  for (const CloneStatus& clone : clones) {
    if (clone.state() != "copying") continue;
    Samples& seen = kept[clone.id()] = std::move(samples_[clone.id()]);
    if (const std::optional<CopyRate> rate = RateOf(now, clone, seen)) rates[clone.id()] = *rate;
  }
  samples_ = std::move(kept);
  return rates;
}

std::optional<CopyRate> CopyRates::RateOf(absl::Duration now, const CloneStatus& clone,
                                          Samples& seen) {
  const uint64_t copied = clone.extents_copied();
  // It began anew.
  if (!seen.empty() && copied < seen.back().extents) seen.clear();
  while (seen.size() > 1 && seen[1].at <= now - kWindow) seen.pop_front();
  const bool is_due = seen.empty() || now - seen.back().at >= kShortest;
  if (is_due) seen.push_back({now, copied});
  const Sample& oldest = seen.front();
  if (now - oldest.at < kShortest) return std::nullopt;
  const auto extent_bytes = static_cast<double>(clone.extent_bytes());
  const auto left = static_cast<double>(clone.extents_total() - copied) * extent_bytes;
  CopyRate rate;
  rate.bytes_per_second = static_cast<double>(copied - oldest.extents) * extent_bytes /
                          absl::ToDoubleSeconds(now - oldest.at);
  if (rate.bytes_per_second > 0) rate.seconds_left = left / rate.bytes_per_second;
  return rate;
}

}  // namespace baton::http
