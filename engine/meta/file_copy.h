// Whole small files through Storage.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <string>

#include "engine/base/storage.h"

namespace baton {

// Everything in the file; DataLoss when that is more than `limit_bytes`.
absl::StatusOr<std::string> ReadWholeFile(Storage& storage, const std::string& path,
                                          uint64_t limit_bytes);

// Makes `path`, which must not exist, with `content`; durable but for its name.
absl::Status WriteNewFile(Storage& storage, const std::string& path, const std::string& content);

// OK, too, when it is not there: a crash may have come after an earlier attempt.
absl::Status RemoveIfThere(Storage& storage, const std::string& path);

// Makes `to`, which must not exist, with what `from` holds now. Nothing of it is durable yet.
absl::Status CopyFile(Storage& storage, const std::string& from, const std::string& to);

}  // namespace baton
