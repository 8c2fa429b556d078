#include "engine/base/names.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <limits>
#include <string_view>

#include "engine/base/limits.h"
#include "engine/base/status.h"

namespace baton {
namespace {

constexpr std::array<std::string_view, 7> kUnits = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};

bool IsAlphanumeric(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

// The power of 1024 that `suffix` names: "", "b", "k", "kb", "kib", …; -1: none.
int UnitPower(std::string_view suffix) {
  std::string lower;
  for (const char c : suffix) lower += Lower(c);
  if (lower.empty() || lower == "b") return 0;
  const size_t power = std::string_view("kmgt").find(lower[0]);
  if (power == std::string_view::npos) return -1;
  const std::string rest = lower.substr(1);
  return rest.empty() || rest == "b" || rest == "ib" ? static_cast<int>(power) + 1 : -1;
}

absl::Status BadSize(const std::string& text) {
  return Error(absl::StatusCode::kInvalidArgument,
               "size \"{}\": must be a whole number, optionally with K, M, G or T", text);
}

absl::Status TooLarge(const std::string& text) {
  return Error(absl::StatusCode::kInvalidArgument, "size \"{}\": too large", text);
}

}  // namespace

absl::Status CheckName(const std::string& name) {
  bool good = !name.empty() && name.size() <= limits::kMaxNameBytes && IsAlphanumeric(name[0]);
  for (const char c : name) {
    good = good && (IsAlphanumeric(c) || c == '.' || c == '_' || c == '-');
  }
  if (good) return absl::OkStatus();
  return Error(absl::StatusCode::kInvalidArgument,
               "name \"{}\": must be 1 to {} of a-z 0-9 . _ - and begin with a letter or digit",
               name, limits::kMaxNameBytes);
}

absl::Status CheckNewVolumeName(const std::string& name) {
  BATON_RETURN_IF_ERROR(CheckName(name));
  if (name.find_first_not_of("0123456789") != std::string::npos) return absl::OkStatus();
  return Error(absl::StatusCode::kInvalidArgument,
               "name \"{0}\": a number names a clone; use one with a letter, such as v{0}", name);
}

absl::StatusOr<uint64_t> ParseSize(const std::string& text) {
  constexpr uint64_t kMax = std::numeric_limits<uint64_t>::max();
  uint64_t value = 0;
  size_t digits = 0;
  for (; digits < text.size() && text[digits] >= '0' && text[digits] <= '9'; ++digits) {
    const uint64_t digit = static_cast<uint64_t>(text[digits] - '0');
    if (value > (kMax - digit) / 10) return TooLarge(text);
    value = value * 10 + digit;
  }
  const int power = UnitPower(std::string_view(text).substr(digits));
  if (digits == 0 || power < 0) return BadSize(text);
  if (value > (kMax >> (10 * power))) return TooLarge(text);
  return value << (10 * power);
}

std::string FormatSize(uint64_t bytes) {
  double value = static_cast<double>(bytes);
  size_t unit = 0;
  while (value >= 1023.5 && unit + 1 < kUnits.size()) {
    value /= 1024;
    ++unit;
  }
  const int decimals = unit == 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
  std::string number = fmt::format("{:.{}f}", value, decimals);
  if (decimals > 0) {
    number.erase(number.find_last_not_of('0') + 1);
    if (number.back() == '.') number.pop_back();
  }
  return fmt::format("{} {}", number, kUnits[unit]);
}

absl::Status CheckVolumeSize(uint64_t size_bytes) {
  if (size_bytes == 0 || size_bytes % limits::kBlockBytes != 0) {
    return Error(absl::StatusCode::kInvalidArgument,
                 "volume size {}: must be a positive multiple of {}", size_bytes,
                 FormatSize(limits::kBlockBytes));
  }
  if (size_bytes > limits::kMaxVolumeBytes) {
    return Error(absl::StatusCode::kInvalidArgument, "volume size {}: must be at most {}",
                 size_bytes, FormatSize(limits::kMaxVolumeBytes));
  }
  return absl::OkStatus();
}

absl::Status CheckExtentSize(uint64_t extent_bytes) {
  if (std::has_single_bit(extent_bytes) && extent_bytes >= limits::kMinExtentBytes &&
      extent_bytes <= limits::kMaxExtentBytes) {
    return absl::OkStatus();
  }
  return Error(absl::StatusCode::kInvalidArgument,
               "extent size {}: must be a power of two from {} to {}", extent_bytes,
               FormatSize(limits::kMinExtentBytes), FormatSize(limits::kMaxExtentBytes));
}

absl::Status CheckExtentCount(uint64_t size_bytes, uint64_t extent_bytes) {
  const uint64_t least =
      std::bit_ceil((size_bytes + limits::kMaxExtents - 1) / limits::kMaxExtents);
  if (extent_bytes >= least) return absl::OkStatus();
  return Error(
      absl::StatusCode::kInvalidArgument,
      "extent size {}: a volume of {} needs extents of at least {}, because a clone keeps a "
      "bit in memory for each",
      FormatSize(extent_bytes), FormatSize(size_bytes), FormatSize(least));
}

absl::Status CheckLatencyTarget(uint64_t target_us) {
  if (target_us == 0) return absl::OkStatus();
  if (target_us >= limits::kMinLatencyTargetUs && target_us <= limits::kMaxLatencyTargetUs) {
    return absl::OkStatus();
  }
  return Error(absl::StatusCode::kInvalidArgument, "latency target {}: must be from {} to {}",
               absl::FormatDuration(absl::Microseconds(target_us)),
               absl::FormatDuration(absl::Microseconds(limits::kMinLatencyTargetUs)),
               absl::FormatDuration(absl::Microseconds(limits::kMaxLatencyTargetUs)));
}

std::string FormatElapsed(absl::Duration duration) {
  const int64_t seconds = std::max<int64_t>(0, absl::ToInt64Seconds(duration));
  const int64_t hours = seconds / 3600;
  if (hours >= 48) return fmt::format("{} d {} h", hours / 24, hours % 24);
  const int64_t minutes = seconds / 60 % 60;
  if (hours > 0) return fmt::format("{}:{:02}:{:02}", hours, minutes, seconds % 60);
  return fmt::format("{}:{:02}", minutes, seconds % 60);
}

}  // namespace baton
