// How far, how fast, how long still.
#pragma once

#include <absl/time/time.h>

#include <cstdint>
#include <deque>
#include <optional>
#include <string>

namespace baton {

// The rate over the last seconds, so that it follows a changed limit and does not jump. Thread-
// compatible; time is told, not asked: that of BootTime().
class ProgressMeter {
 public:
  // `done` of `total` bytes at `now`; neither time nor `done` goes back.
  void Add(absl::Duration now, uint64_t done_bytes, uint64_t total_bytes);

  double bytes_per_second() const;
  // nullopt while nothing moves.
  std::optional<absl::Duration> TimeLeft() const;
  // "[####....]  50 %  2 GiB of 4 GiB  512 MiB/s  0:04 left" in at most `width` columns; `cells`
  // (may be empty) replaces the inside of the bar.
  std::string Line(size_t width, const std::string& cells = {}) const;
  // Columns for the inside of the bar.
  static size_t BarWidth(size_t width);

 private:
  struct Sample {
    absl::Duration time;
    uint64_t done_bytes;
  };
  std::deque<Sample> samples_;
  uint64_t total_bytes_ = 0;
};

}  // namespace baton
