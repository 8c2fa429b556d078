// Small files that hold one Protobuf record and its checksum: a SealedBytes.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <string>

namespace baton {

// The content of a file that holds `payload`.
std::string SealPayload(std::string payload);

// The payload of such a file. DataLoss naming `path` when any byte is not as it was written.
absl::StatusOr<std::string> UnsealPayload(const std::string& content, const std::string& path);

absl::Status GarbledFile(const std::string& path, const char* why);

}  // namespace baton
