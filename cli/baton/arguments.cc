#include "cli/baton/arguments.h"

#include <absl/strings/numbers.h>

#include <array>
#include <optional>

#include "engine/base/names.h"
#include "engine/base/status.h"

namespace baton {
namespace {

std::optional<absl::Duration> ParseAgo(const std::string& text) {
  if (text.size() < 2) return std::nullopt;
  uint32_t count = 0;
  if (!absl::SimpleAtoi(text.substr(0, text.size() - 1), &count)) return std::nullopt;
  switch (text.back()) {
    case 's':
      return absl::Seconds(count);
    case 'm':
      return absl::Minutes(count);
    case 'h':
      return absl::Hours(count);
    case 'd':
      return absl::Hours(24) * count;
    default:
      return std::nullopt;
  }
}

}  // namespace

absl::StatusOr<uint64_t> ParseRate(const std::string& text) {
  if (text == "unlimited") return 0;
  const bool per_second = text.ends_with("/s");
  const absl::StatusOr<uint64_t> rate = ParseSize(text.substr(0, text.size() - 2 * per_second));
  if (rate.ok()) return rate;
  return Error(absl::StatusCode::kInvalidArgument,
               "rate \"{}\": must be a size per second such as 100M/s, or unlimited", text);
}

std::string FormatRate(uint64_t bytes_per_second) {
  return bytes_per_second == 0 ? "unlimited" : FormatSize(bytes_per_second) + "/s";
}

absl::StatusOr<uint64_t> ParseLatencyTarget(const std::string& text) {
  if (text == "off" || text == "0") return 0;
  absl::Duration target;
  const bool is_time = absl::ParseDuration(text, &target) && target > absl::ZeroDuration();
  const int64_t us = absl::ToInt64Microseconds(target);
  if (is_time && us > 0 && CheckLatencyTarget(us).ok()) return us;
  return Error(absl::StatusCode::kInvalidArgument,
               "latency target \"{}\": must be a time such as 5ms, from 100us to 10s, or off",
               text);
}

std::string FormatLatency(uint64_t us, const std::string& none) {
  return us == 0 ? none : absl::FormatDuration(absl::Microseconds(us));
}

absl::StatusOr<absl::Time> ParseSince(const std::string& text, absl::Time now) {
  if (const auto ago = ParseAgo(text)) return now - *ago;
  constexpr std::array kFormats = {absl::RFC3339_full, "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S",
                                   "%Y-%m-%d %H:%M", "%Y-%m-%d"};
  for (const char* format : kFormats) {
    absl::Time time;
    std::string error;
    if (absl::ParseTime(format, text, absl::LocalTimeZone(), &time, &error)) return time;
  }
  return Error(
      absl::StatusCode::kInvalidArgument,
      "time \"{}\": must be like 2024-05-01T12:00:00Z, \"2024-05-01 12:00:00\" or 15m (ago)", text);
}

std::function<std::string(const std::string&)> SecondsFrom(double least, double most) {
  return [least, most](const std::string& text) -> std::string {
    double seconds = 0;
    if (absl::SimpleAtod(text, &seconds) && seconds >= least && seconds <= most) return "";
    return fmt::format("\"{}\": must be a number of seconds from {} to {}", text, least, most);
  };
}

std::string FormatUnixUs(int64_t unix_us) {
  if (unix_us == 0) return "-";
  return absl::FormatTime("%Y-%m-%d %H:%M:%S", absl::FromUnixMicros(unix_us),
                          absl::LocalTimeZone());
}

}  // namespace baton
