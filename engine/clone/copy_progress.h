// The counters of one run of a clone.
#pragma once

#include <atomic>
#include <cstdint>

namespace baton {

// `recorded` never goes back, not over crashes either: it counts bits that are durable.
struct Progress {
  uint64_t run_id = 0;
  bool keeps_digests = true;
  std::atomic<uint64_t> recorded{0};  // extents whose bit is durable
  std::atomic<uint64_t> landing{0};   // extents that only an intent slot stands for
  std::atomic<uint64_t> in_log{0};    // of these, those whose data is not in the target yet
  // Copies of extents that were begun. Stored with each batch of bits, so that after a crash those
  // are missing in it that were begun since the last batch and have left neither bit nor slot (at
  // most limits::kMaxExtentsInFlight). Never less than the extents that are copied.
  std::atomic<uint64_t> copies{0};
};

// What the copier says of a copy that is under way with a latency target.
struct PaceReport {
  std::atomic<bool> is_on{false};
  std::atomic<uint64_t> host_p99_us{0};             // 0: no requests
  std::atomic<uint64_t> limit_bytes_per_second{0};  // 0: no limit
};

}  // namespace baton
