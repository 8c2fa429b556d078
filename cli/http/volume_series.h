// Which volumes have series of their own.
#pragma once

#include <absl/base/thread_annotations.h>
#include <absl/synchronization/mutex.h>

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "fs/io_counters.h"

namespace baton::http {

// A volume that has no series of its own adds to this one.
inline constexpr char kOtherVolumes[] = "(other)";

using VolumeNames = std::map<uint64_t, std::string>;  // by id
using VolumeCounts = std::map<std::string, fs::PerKind<fs::IoCount>>;

// The first kVolumesShown that are used have series of their own until they are deleted. All others
// share one, for good, and so does what deleted ones had: it never goes down. Thread-safe.
class VolumeSeries {
 public:
  // What all volumes had up to now, by the name of their series. `names`: all of the pool, as far
  // as they are known; missing: nothing is known at the moment.
  VolumeCounts Note(const std::vector<fs::VolumeIoCounts>& volumes,
                    const std::optional<VolumeNames>& names) ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  void Learn(const VolumeNames& names) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Null: it is not known yet.
  const std::string* SeriesOf(uint64_t id, const VolumeNames& names)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::string others_name_ = kOtherVolumes;
  absl::Mutex mutex_;
  VolumeNames shown_ ABSL_GUARDED_BY(mutex_);
  std::set<uint64_t> others_ ABSL_GUARDED_BY(mutex_);
  uint64_t newest_ ABSL_GUARDED_BY(mutex_) = 0;  // that was ever known
};

}  // namespace baton::http
