// Paths inside a Storage: what every implementation takes and refuses alike.
#pragma once

#include <absl/status/status.h>

#include <string>

namespace baton {

// "a/b/c": components between single slashes, none of them empty, "." or "..", not absolute, no
// NUL. InvalidArgument otherwise. The root itself is "" (for List, Exists and SyncDirectory).
absl::Status CheckStoragePath(const std::string& path);

struct SplitPath {
  std::string parent;  // "" is the root
  std::string name;
};

// REQUIRES: CheckStoragePath(path).ok() and path is not the root.
SplitPath SplitStoragePath(const std::string& path);

}  // namespace baton
