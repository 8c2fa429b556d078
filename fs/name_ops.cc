// Names and attributes: lookup, getattr, setattr, readdir, statfs.
#include <algorithm>
#include <cerrno>
#include <optional>
#include <string>

#include "engine/base/limits.h"
#include "engine/base/status.h"
#include "fs/settings.h"
#include "fs/volume_ops.h"

namespace baton::fs {
namespace {

struct stat AttributesOf(Mounted& mounted, const VolumeEntry& entry) {
  return VolumeAttributes(entry, mounted.ownership, mounted.runtime.WallTime());
}

absl::StatusOr<struct stat> AttributesOf(Mounted& mounted, fuse_ino_t node) {
  if (node == kRootNode) return RootAttributes(mounted.ownership);
  BATON_ASSIGN_OR_RETURN(const VolumeEntry entry, mounted.directory.Get(VolumeOf(node)));
  return AttributesOf(mounted, entry);
}

fuse_entry_param EntryOf(const struct stat& attributes) {
  fuse_entry_param result = {};
  result.ino = attributes.st_ino;
  result.attr = attributes;
  result.attr_timeout = kAttributeTimeoutSeconds;
  result.entry_timeout = kNameTimeoutSeconds;
  return result;
}

// "." and ".." are asked for by who finds a node by its number, without a path (an NFS server): "."
// of a volume is the volume.
absl::StatusOr<struct stat> AttributesOf(Mounted& mounted, fuse_ino_t parent,
                                         const std::string& name) {
  if (name == ".") return AttributesOf(mounted, parent);
  if (name == "..") return RootAttributes(mounted.ownership);
  BATON_ASSIGN_OR_RETURN(const VolumeEntry entry, mounted.directory.Lookup(name));
  return AttributesOf(mounted, entry);
}

// What no volume can be called; 0: one could.
int ErrorOfName(fuse_ino_t parent, const std::string& name) {
  if (name == "." || name == "..") return 0;
  if (parent != kRootNode) return ENOTDIR;
  return name.size() > limits::kMaxNameBytes ? ENAMETOOLONG : 0;
}

void Lookup(fuse_req_t request, fuse_ino_t parent, const char* name) {
  if (const int error = ErrorOfName(parent, name); error != 0) {
    fuse_reply_err(request, error);
    return;
  }
  const absl::StatusOr<struct stat> attributes = AttributesOf(MountedOf(request), parent, name);
  if (!attributes.ok()) {
    ReplyError(request, attributes.status(), "looking up a name in", kRootNode);
    return;
  }
  const fuse_entry_param answer = EntryOf(*attributes);
  fuse_reply_entry(request, &answer);
}

void GetAttributes(fuse_req_t request, fuse_ino_t node, fuse_file_info*) {
  const absl::StatusOr<struct stat> attributes = AttributesOf(MountedOf(request), node);
  if (!attributes.ok()) {
    ReplyError(request, attributes.status(), "looking at", node);
    return;
  }
  fuse_reply_attr(request, &*attributes, kAttributeTimeoutSeconds);
}

// Why a change is refused.
struct Refusal {
  int error = 0;  // 0: it may pass
  const char* why = "";
};

// Truncating never changes anything. What is accepted is what a program cannot mistake: emptying a
// volume when it is opened (O_TRUNC, which a disk accepts, too; the kernel sends it without a
// handle), and cutting off what is a hole.
absl::StatusOr<Refusal> RefusalOfSize(const Mounted& mounted, fuse_ino_t node, uint64_t size_bytes,
                                      uint64_t wanted_bytes, bool has_handle) {
  if (wanted_bytes > size_bytes) return Refusal{ENOSPC, "volumes have a fixed size"};
  if (wanted_bytes == size_bytes || (wanted_bytes == 0 && !has_handle)) return Refusal();
  BATON_ASSIGN_OR_RETURN(const std::optional<DataRange> data,
                         mounted.directory.NextData(VolumeOf(node), wanted_bytes));
  if (!data) return Refusal();
  return Refusal{EPERM, "volumes have a fixed size, and data would be cut off (write without "
                        "truncating: dd conv=notrunc, qemu-img convert -n)"};
}

// Times may be set and are not kept: tools that copy files set them last and would report a failure
// of a copy that is complete.
absl::StatusOr<Refusal> RefusalOf(const Mounted& mounted, fuse_ino_t node, const struct stat& now,
                                  const struct stat& wanted, int what, bool has_handle) {
  if (what & FUSE_SET_ATTR_MODE) {
    return Refusal{EPERM, "the mode of volumes is set by the controller"};
  }
  if (what & (FUSE_SET_ATTR_UID | FUSE_SET_ATTR_GID)) {
    return Refusal{EPERM, "the owner of volumes is set by the controller"};
  }
  if ((what & FUSE_SET_ATTR_SIZE) == 0) return Refusal();
  return RefusalOfSize(mounted, node, static_cast<uint64_t>(now.st_size),
                       static_cast<uint64_t>(wanted.st_size), has_handle);
}

void SetAttributes(fuse_req_t request, fuse_ino_t node, struct stat* wanted, int what,
                   fuse_file_info* file) {
  Mounted& mounted = MountedOf(request);
  const absl::StatusOr<struct stat> now = AttributesOf(mounted, node);
  if (!now.ok()) {
    ReplyError(request, now.status(), "looking at", node);
    return;
  }
  const absl::StatusOr<Refusal> refusal =
      RefusalOf(mounted, node, *now, *wanted, what, file != nullptr);
  if (!refusal.ok()) {
    ReplyError(request, refusal.status(), "finding data in", node);
    return;
  }
  if (refusal->error != 0) {
    mounted.refusals.Warn("refused to change {} through the mount: {}", mounted.Describe(node),
                          refusal->why);
    fuse_reply_err(request, refusal->error);
    return;
  }
  fuse_reply_attr(request, &*now, kAttributeTimeoutSeconds);
}

// One name of the directory and the position that a reader continues from when it has it.
struct DirectoryName {
  std::string name;
  struct stat attributes = {};
  off_t next = 0;
};

// Positions mean the same in every process and while volumes come and go, because a reader that
// began with one process may continue with its successor: "." is 1, ".." is 2, a volume its id + 2.
constexpr off_t kDotPosition = 1;
constexpr off_t kDotDotPosition = 2;
constexpr off_t PositionOf(uint64_t volume_id) {
  return static_cast<off_t>(volume_id) + kDotDotPosition;
}

absl::StatusOr<std::vector<DirectoryName>> NamesAfter(Mounted& mounted, off_t position) {
  BATON_ASSIGN_OR_RETURN(const std::vector<VolumeEntry> volumes, mounted.directory.List());
  std::vector<DirectoryName> result;
  const struct stat root = RootAttributes(mounted.ownership);
  if (position < kDotPosition) result.push_back({".", root, kDotPosition});
  if (position < kDotDotPosition) result.push_back({"..", root, kDotDotPosition});
  for (const VolumeEntry& entry : volumes) {
    if (PositionOf(entry.id) <= position) continue;
    result.push_back({entry.name, AttributesOf(mounted, entry), PositionOf(entry.id)});
  }
  std::sort(result.begin(), result.end(),
            [](const DirectoryName& a, const DirectoryName& b) { return a.next < b.next; });
  return result;
}

size_t AddName(fuse_req_t request, const DirectoryName& name, char* to, size_t room_bytes) {
  return fuse_add_direntry(request, to, room_bytes, name.name.c_str(), &name.attributes, name.next);
}

void ReadDirectory(fuse_req_t request, fuse_ino_t, size_t size, off_t position, fuse_file_info*) {
  const absl::StatusOr<std::vector<DirectoryName>> names = NamesAfter(MountedOf(request), position);
  if (!names.ok()) {
    ReplyError(request, names.status(), "reading", kRootNode);
    return;
  }
  const MutableBytes answer = ServerOf(request).answer;
  const size_t room = std::min(size, answer.size());
  char* const begin = reinterpret_cast<char*>(answer.data());
  size_t used = 0;
  for (const DirectoryName& name : *names) {
    const size_t length = AddName(request, name, begin + used, room - used);
    if (length > room - used) break;
    used += length;
  }
  fuse_reply_buf(request, begin, used);
}

absl::StatusOr<struct statvfs> AttributesOf(const VolumeDirectory& directory) {
  BATON_ASSIGN_OR_RETURN(const Capacity capacity, directory.GetCapacity());
  BATON_ASSIGN_OR_RETURN(const std::vector<VolumeEntry> volumes, directory.List());
  return FileSystemAttributes(capacity, volumes.size());
}

void StatFileSystem(fuse_req_t request, fuse_ino_t) {
  const absl::StatusOr<struct statvfs> answer = AttributesOf(MountedOf(request).directory);
  if (!answer.ok()) {
    ReplyError(request, answer.status(), "asking for the free space of", kRootNode);
    return;
  }
  fuse_reply_statfs(request, &*answer);
}

}  // namespace

void AddNameOps(fuse_lowlevel_ops& ops) {
  ops.lookup = Lookup;
  ops.getattr = GetAttributes;
  ops.setattr = SetAttributes;
  ops.readdir = ReadDirectory;
  ops.statfs = StatFileSystem;
}

}  // namespace baton::fs
