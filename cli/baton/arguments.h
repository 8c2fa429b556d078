// What users type, checked before it is sent.
#pragma once

#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include <cstdint>
#include <functional>
#include <string>

namespace baton {

// "100M/s", "100M"; "0" and "unlimited": no limit, 0.
absl::StatusOr<uint64_t> ParseRate(const std::string& text);
std::string FormatRate(uint64_t bytes_per_second);

// Microseconds of "5ms", "500us", "1.5s"; "0" and "off": no target, 0.
absl::StatusOr<uint64_t> ParseLatencyTarget(const std::string& text);
// "5ms"; `none` for 0.
std::string FormatLatency(uint64_t us, const std::string& none);

// A point in time: "2024-05-01T12:00:00Z" (RFC 3339), "2024-05-01 12:00:00" and "2024-05-01" in
// local time, or how long ago: "90s", "15m", "2h", "3d".
absl::StatusOr<absl::Time> ParseSince(const std::string& text, absl::Time now);

// A number of seconds in a range, for Option::check.
std::function<std::string(const std::string&)> SecondsFrom(double least, double most);

// "2024-05-01 12:00:00" in local time; "-" for 0.
std::string FormatUnixUs(int64_t unix_us);

}  // namespace baton
