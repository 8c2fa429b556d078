// What is mounted where, as the kernel lists it.
#pragma once

#include <absl/status/statusor.h>

#include <string>
#include <vector>

namespace baton::fs {

struct MountedAt {
  std::string path;    // unescaped
  std::string type;    // "ext4", "fuse.baton"
  std::string device;  // "MAJOR:MINOR", one for each mounted file system
};

// Of one line of /proc/self/mountinfo; empty path when the line is none.
MountedAt ParseMountInfoLine(const std::string& line);

// Every mount at exactly `path` (absolute, no symbolic links), the one that is seen last.
absl::StatusOr<std::vector<MountedAt>> MountsAt(const std::string& path);

}  // namespace baton::fs
