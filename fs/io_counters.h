// What hosts ask for through a mount, counted in passing.
#pragma once

#include <absl/time/time.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "engine/base/latency_histogram.h"
#include "fs/host_io.h"
#include "fs/mount_settings.h"

namespace baton::fs {

// Requests that a session leaves unanswered are not counted: the next one answers them. Everything
// counts from the start of this process.
template <typename Value>
using PerKind = std::array<Value, kIoKinds>;

struct IoCount {
  uint64_t requests = 0;  // answered, also those that failed
  uint64_t bytes = 0;     // read, written or discarded by those that did not
};

struct VolumeIoCounts {
  uint64_t volume_id = 0;
  PerKind<IoCount> kinds{};
};

// Of all volumes: from the thread that serves it on to the answer.
struct IoTimes : LatencyTotals {
  uint64_t errors = 0;  // answers that were errors
};

struct MountIo {
  std::vector<VolumeIoCounts> volumes;  // that were used, by id
  PerKind<IoTimes> kinds{};
  uint64_t waiting = 0;  // requests that wait for somebody who serves
  // The longest time that a request took which met the last change of who serves; zero: none did.
  absl::Duration last_stall;
};

// Of one volume. Thread-safe, without a lock.
class VolumeCounters {
 public:
  void Note(IoKind kind, uint64_t bytes) {
    Count& count = counts_[static_cast<size_t>(kind)];
    count.requests.fetch_add(1, std::memory_order_relaxed);
    if (bytes > 0) count.bytes.fetch_add(bytes, std::memory_order_relaxed);
  }
  PerKind<IoCount> Load() const {
    PerKind<IoCount> loaded;
    for (size_t i = 0; i < kIoKinds; ++i) {
      loaded[i] = {.requests = counts_[i].requests.load(std::memory_order_relaxed),
                   .bytes = counts_[i].bytes.load(std::memory_order_relaxed)};
    }
    return loaded;
  }

 private:
  struct Count {
    std::atomic<uint64_t> requests = 0;
    std::atomic<uint64_t> bytes = 0;
  };
  alignas(kCacheLineBytes) PerKind<Count> counts_;
};

// Of one kind of requests. Thread-safe, without a lock.
class alignas(kCacheLineBytes) KindTimes {
 public:
  void Note(absl::Duration latency, bool is_error) {
    latencies_.Note(latency);
    if (is_error) errors_.fetch_add(1, std::memory_order_relaxed);
  }
  IoTimes Load() const { return {latencies_.Load(), errors_.load(std::memory_order_relaxed)}; }

 private:
  std::atomic<uint64_t> errors_ = 0;
  SummedHistogram latencies_;
};

// How long requests waited at the last change of who serves. Thread-safe, without a lock: of two
// that end at one instant the shorter one may be what is kept.
class StallMeter {
 public:
  // So long after a request that waited another one belongs to another change.
  static constexpr absl::Duration kApart = absl::Seconds(5);

  // A request that waited for somebody who serves was answered at `now`, after `time`.
  void Note(absl::Duration now, absl::Duration time) {
    const int64_t end = absl::ToInt64Nanoseconds(now);
    const int64_t before = end_ns_.exchange(end, std::memory_order_relaxed);
    const int64_t ns = absl::ToInt64Nanoseconds(time);
    const bool is_other = end - ns > before + absl::ToInt64Nanoseconds(kApart);
    if (is_other || ns > longest_ns_.load(std::memory_order_relaxed)) {
      longest_ns_.store(ns, std::memory_order_relaxed);
    }
  }
  absl::Duration longest() const {
    return absl::Nanoseconds(longest_ns_.load(std::memory_order_relaxed));
  }

 private:
  std::atomic<int64_t> end_ns_ = 0;
  std::atomic<int64_t> longest_ns_ = 0;
};

}  // namespace baton::fs
