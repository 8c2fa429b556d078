#include "cli/baton/progress_meter.h"

#include <fmt/format.h>

#include <algorithm>

#include "engine/base/names.h"

namespace baton {
namespace {

constexpr absl::Duration kRateWindow = absl::Seconds(5);
// What stands behind the bar at its longest.
constexpr size_t kProgressTextWidth = 60;

double Fraction(uint64_t done, uint64_t total) {
  return total == 0 ? 1.0 : static_cast<double>(done) / static_cast<double>(total);
}

std::string PlainCells(size_t width, double fraction) {
  const auto full = static_cast<size_t>(static_cast<double>(width) * fraction);
  return std::string(full, '#') + std::string(width - full, '.');
}

}  // namespace

void ProgressMeter::Add(absl::Duration now, uint64_t done_bytes, uint64_t total_bytes) {
  total_bytes_ = total_bytes;
  samples_.push_back({now, std::min(done_bytes, total_bytes)});
  while (samples_.size() > 2 && now - samples_[1].time >= kRateWindow) samples_.pop_front();
}

double ProgressMeter::bytes_per_second() const {
  if (samples_.size() < 2) return 0;
  const double seconds = absl::ToDoubleSeconds(samples_.back().time - samples_.front().time);
  const auto bytes = static_cast<double>(samples_.back().done_bytes - samples_.front().done_bytes);
  return seconds > 0 ? bytes / seconds : 0;
}

std::optional<absl::Duration> ProgressMeter::TimeLeft() const {
  const double rate = bytes_per_second();
  if (rate <= 0) return std::nullopt;
  return absl::Seconds(static_cast<double>(total_bytes_ - samples_.back().done_bytes) / rate);
}

size_t ProgressMeter::BarWidth(size_t width) {
  constexpr size_t kMin = 10;
  constexpr size_t kMax = 100;
  return width < kProgressTextWidth + kMin ? kMin : std::min(width - kProgressTextWidth, kMax);
}

std::string ProgressMeter::Line(size_t width, const std::string& cells) const {
  const uint64_t done = samples_.empty() ? 0 : samples_.back().done_bytes;
  const double fraction = Fraction(done, total_bytes_);
  const std::optional<absl::Duration> left = TimeLeft();
  // Rounded down: 100 % means done.
  const auto percent = static_cast<uint64_t>(fraction * 100);
  return fmt::format("[{}] {:3} %  {} of {}  {}/s  {}",
                     cells.empty() ? PlainCells(BarWidth(width), fraction) : cells, percent,
                     FormatSize(done), FormatSize(total_bytes_),
                     FormatSize(static_cast<uint64_t>(bytes_per_second())),
                     left ? FormatElapsed(*left) + " left" : "")
      .substr(0, width);
}

}  // namespace baton
