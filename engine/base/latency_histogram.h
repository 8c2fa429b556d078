// How long requests take: counts by duration, in buckets that are 1/8 of their octave wide.
#pragma once

#include <absl/time/time.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace baton {

// Buckets of whole microseconds: each of the first 8 is one wide. Longer than the last is counted
// in the last (16.8 s).
struct LatencyBuckets {
  static constexpr int kSubBits = 3;
  static constexpr uint64_t kSub = 1 << kSubBits;
  static constexpr uint64_t kMaxUs = (1 << 24) - 1;
  static constexpr size_t Of(uint64_t us) {
    us = std::min(us, kMaxUs);
    if (us < kSub) return us;
    const int octave = std::bit_width(us) - 1;
    return (octave - kSubBits + 1) * kSub + ((us >> (octave - kSubBits)) & (kSub - 1));
  }
  // Everything in the bucket is shorter.
  static constexpr uint64_t EndUs(size_t bucket) {
    if (bucket < kSub) return bucket + 1;
    return (kSub + bucket % kSub + 1) << (bucket / kSub - 1);
  }
  static constexpr size_t kCount = 22 * kSub;
};
static_assert(LatencyBuckets::Of(LatencyBuckets::kMaxUs) == LatencyBuckets::kCount - 1);

// A value: what was counted until some instant, or between two of them.
class LatencyCounts {
 public:
  void Add(absl::Duration latency, uint64_t count = 1) { at(BucketOf(latency)) += count; }
  uint64_t& at(size_t bucket) { return counts_[bucket]; }

  LatencyCounts& operator+=(const LatencyCounts& other) {
    for (size_t i = 0; i < counts_.size(); ++i) counts_[i] += other.counts_[i];
    return *this;
  }
  LatencyCounts& operator-=(const LatencyCounts& other) {
    for (size_t i = 0; i < counts_.size(); ++i) counts_[i] -= other.counts_[i];
    return *this;
  }

  uint64_t total() const { return CountFrom(0); }
  // Those that took less: exact where a bucket ends at `limit`, as at each power of two of
  // microseconds from 1 on.
  uint64_t CountBelow(absl::Duration limit) const { return total() - CountFrom(BucketOf(limit)); }
  // Those that took longer, but for those in the bucket of `limit`.
  uint64_t CountAbove(absl::Duration limit) const { return CountFrom(BucketOf(limit) + 1); }
  // So many percent took less; zero when there was none.
  absl::Duration Percentile(int percent) const {
    const uint64_t all = total();
    if (all == 0) return absl::ZeroDuration();
    uint64_t longer = 0;
    size_t bucket = counts_.size();
    while (bucket > 0 && longer * 100 <= all * (100 - percent)) longer += counts_[--bucket];
    return absl::Microseconds(LatencyBuckets::EndUs(bucket));
  }

  static size_t BucketOf(absl::Duration latency) {
    return LatencyBuckets::Of(std::max<int64_t>(absl::ToInt64Microseconds(latency), 0));
  }

 private:
  uint64_t CountFrom(size_t first) const {
    uint64_t sum = 0;
    for (size_t i = first; i < counts_.size(); ++i) sum += counts_[i];
    return sum;
  }

  std::array<uint64_t, LatencyBuckets::kCount> counts_{};
};

// Thread-safe, without a lock: requests count themselves in passing, and who reads meanwhile misses
// some of them until it reads again.
class LatencyHistogram {
 public:
  void Note(absl::Duration latency) {
    counts_[LatencyCounts::BucketOf(latency)].fetch_add(1, std::memory_order_relaxed);
  }
  LatencyCounts Load() const {
    LatencyCounts counts;
    for (size_t i = 0; i < counts_.size(); ++i) {
      counts.at(i) = counts_[i].load(std::memory_order_relaxed);
    }
    return counts;
  }

 private:
  std::array<std::atomic<uint64_t>, LatencyBuckets::kCount> counts_{};
};

// As a histogram of Prometheus has it.
struct LatencyTotals {
  LatencyCounts latencies;
  absl::Duration total;  // their sum
};

// Thread-safe, without a lock, as LatencyHistogram.
class SummedHistogram {
 public:
  void Note(absl::Duration latency) {
    latencies_.Note(latency);
    total_ns_.fetch_add(std::max<int64_t>(absl::ToInt64Nanoseconds(latency), 0),
                        std::memory_order_relaxed);
  }
  LatencyTotals Load() const {
    return {.latencies = latencies_.Load(),
            .total = absl::Nanoseconds(total_ns_.load(std::memory_order_relaxed))};
  }

 private:
  std::atomic<int64_t> total_ns_ = 0;
  LatencyHistogram latencies_;
};

}  // namespace baton
