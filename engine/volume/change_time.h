// When the content of a volume changed last.
#pragma once

#include <absl/time/time.h>

#include <algorithm>
#include <atomic>
#include <cstdint>

namespace baton {

// Thread-safe. Each change gets a later time than the one before, whatever the clock does, so that
// who compares times never takes a changed volume for unchanged.
class ChangeTime {
 public:
  explicit ChangeTime(int64_t unix_us) : unix_us_(unix_us) {}

  int64_t unix_us() const { return unix_us_.load(std::memory_order_relaxed); }

  // The change can be seen, and is not acknowledged yet. (Were it noted before, who asks for the
  // time and reads in between would have the new time for the old content.)
  void Note(absl::Time now) {
    const int64_t now_us = absl::ToUnixMicros(now);
    int64_t before = unix_us();
    while (!unix_us_.compare_exchange_weak(before, std::max(now_us, before + 1),
                                           std::memory_order_relaxed)) {
    }
  }

 private:
  std::atomic<int64_t> unix_us_;
};

}  // namespace baton
