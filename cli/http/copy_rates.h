// How fast clones are being copied, by what was seen of them.
#pragma once

#include <absl/base/thread_annotations.h>
#include <absl/synchronization/mutex.h>
#include <absl/time/time.h>

#include <cstdint>
#include <deque>
#include <map>
#include <optional>

#include "engine/base/model.pb.h"

namespace baton::http {

using CloneStatuses = google::protobuf::RepeatedPtrField<CloneStatus>;

struct CopyRate {
  double bytes_per_second = 0;
  std::optional<double> seconds_left;  // missing: it does not advance
};

// Whoever looks at the clones notes them here. A rate is the mean of the last minute, or since the
// last look if that is longer ago; how often somebody looks makes no difference. Thread-safe.
class CopyRates {
 public:
  static constexpr absl::Duration kWindow = absl::Minutes(1);
  static constexpr absl::Duration kShortest = absl::Seconds(1);

  // All clones of the pool as they are at `now` (of Runtime::BootTime()). Answers with the rates,
  // by clone, of those that are being copied and were seen before.
  std::map<uint64_t, CopyRate> Note(absl::Duration now, const CloneStatuses& clones)
      ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  struct Sample {
    absl::Duration at;
    uint64_t extents = 0;
  };

  using Samples = std::deque<Sample>;  // oldest first

  static std::optional<CopyRate> RateOf(absl::Duration now, const CloneStatus& clone,
                                        Samples& seen);

  absl::Mutex mutex_;
  std::map<uint64_t, Samples> samples_ ABSL_GUARDED_BY(mutex_);  // by clone
};

}  // namespace baton::http
