// How volumes look as files.
#pragma once

#include <absl/time/time.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <cstdint>

#include "engine/base/volume_directory.h"

namespace baton::fs {

// Who may do what; the kernel checks it (default_permissions).
struct Ownership {
  mode_t file_mode = 0660;  // permission bits of every volume
  mode_t directory_mode = 0755;
  uid_t uid = 0;
  gid_t gid = 0;
};

// Inode numbers. 1 is the root's, so volume N is inode N + 1: in every process, on every
// controller, for ever.
constexpr uint64_t kRootNode = 1;
constexpr uint64_t NodeOf(uint64_t volume_id) { return volume_id + kRootNode; }
constexpr uint64_t VolumeOf(uint64_t node) { return node - kRootNode; }

struct stat RootAttributes(const Ownership& ownership);

// The size is the volume's, the blocks are those that are allocated for it. All times are that of
// the last change of its content; where it is not known, `now`.
struct stat VolumeAttributes(const VolumeEntry& entry, const Ownership& ownership, absl::Time now);

struct statvfs FileSystemAttributes(const Capacity& capacity);

}  // namespace baton::fs
