// What a user may type: names and sizes. Each refusal is one clear line.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include <cstdint>
#include <string>

namespace baton {

// Volume and node names: [a-z0-9][a-z0-9._-]{0,62}.
absl::Status CheckName(const std::string& name);

// The name of a volume to be made: not a number, because clones are named by their number or by
// their target. (Older volumes may have such names.)
absl::Status CheckNewVolumeName(const std::string& name);

// "4096", "64K": a whole number, then nothing or one of K, M, G, T (powers of 1024;
// lower case and a trailing "iB" or "B" are taken too). Negative, empty, overflowing: refused.
absl::StatusOr<uint64_t> ParseSize(const std::string& text);

// "64 KiB", "1.5 GiB": three digits that matter, for people.
std::string FormatSize(uint64_t bytes);

// "0:07", "1:02:03", "2 d 3 h".
std::string FormatElapsed(absl::Duration duration);

// A volume's size: a positive multiple of 4 KiB, at most limits::kMaxVolumeBytes.
absl::Status CheckVolumeSize(uint64_t size_bytes);

// A power of two from limits::kMinExtentBytes to limits::kMaxExtentBytes.
absl::Status CheckExtentSize(uint64_t extent_bytes);
// 0 (none), or from limits::kMinLatencyTargetUs to limits::kMaxLatencyTargetUs.
absl::Status CheckLatencyTarget(uint64_t target_us);
// Not more extents of a volume than limits::kMaxExtents.
absl::Status CheckExtentCount(uint64_t size_bytes, uint64_t extent_bytes);

}  // namespace baton
