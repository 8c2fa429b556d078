// Making names durable.
#pragma once

#include <absl/status/status.h>

#include <string>

namespace baton {

// The directory that the file lies in is durable when it returns OK, and so is the file's name.
absl::Status SyncFolderOf(const std::string& path);

}  // namespace baton
