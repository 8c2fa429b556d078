// Names and attributes: lookup, getattr, setattr, readdir, statfs.
#include <algorithm>
#include <cerrno>
#include <optional>
#include <string>

#include "engine/base/limits.h"
#include "engine/base/status.h"
#include "fs/mount_settings.h"
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
  if (wanted_bytes > size_bytes) return Refusal{ENOSPC, "only baton volume resize makes it larger"};
  if (wanted_bytes == size_bytes || (wanted_bytes == 0 && !has_handle)) return Refusal();
  BATON_ASSIGN_OR_RETURN(const std::optional<DataRange> data,
                         mounted.directory.NextData(VolumeOf(node), wanted_bytes));
  if (!data) return Refusal();
  return Refusal{EPERM,
                 "volumes never become smaller, and data would be cut off (write without "
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

// Positions mean the same in every process and while volumes come and go, because a reader that
// began with one process may continue with its successor: "." is 1, ".." is 2, a volume its id + 2.
constexpr off_t kDotPosition = 1;
constexpr off_t kDotDotPosition = 2;
constexpr off_t PositionOf(uint64_t volume_id) {
  return static_cast<off_t>(volume_id) + kDotDotPosition;
}
// No name takes less room in an answer.
constexpr size_t kLeastNameBytes = 32;

// One answer to a reader of the directory.
class NamesAnswer {
 public:
  NamesAnswer(fuse_req_t request, MutableBytes room) : request_(request), room_(room) {}

  // False: there is no room for it.
  bool Add(const std::string& name, uint64_t node, mode_t type, off_t next) {
    struct stat attributes = {};
    attributes.st_ino = node;
    attributes.st_mode = type;
    char* const to = reinterpret_cast<char*>(room_.data()) + used_;
    const size_t left = room_.size() - used_;
    const size_t length = fuse_add_direntry(request_, to, left, name.c_str(), &attributes, next);
    if (length > left) return false;
    used_ += length;
    return true;
  }
  void Send() const {
    fuse_reply_buf(request_, reinterpret_cast<const char*>(room_.data()), used_);
  }

 private:
  const fuse_req_t request_;
  const MutableBytes room_;
  size_t used_ = 0;
};

// Each answer asks for as many names as it has room for, so that a directory of thousands is not
// listed as a whole for each.
void ReadDirectory(fuse_req_t request, fuse_ino_t, size_t size, off_t position, fuse_file_info*) {
  const MutableBytes answer = ServerOf(request).answer;
  const MutableBytes room = answer.first(std::min(size, answer.size()));
  const auto after = static_cast<uint64_t>(std::max<off_t>(position - kDotDotPosition, 0));
  const absl::StatusOr<std::vector<VolumeName>> volumes =
      MountedOf(request).directory.List(after, room.size() / kLeastNameBytes + 1);
  if (!volumes.ok()) {
    ReplyError(request, volumes.status(), "reading", kRootNode);
    return;
  }
  NamesAnswer names(request, room);
  if (position < kDotPosition) names.Add(".", kRootNode, S_IFDIR, kDotPosition);
  if (position < kDotDotPosition) names.Add("..", kRootNode, S_IFDIR, kDotDotPosition);
  for (const VolumeName& volume : *volumes) {
    if (!names.Add(volume.name, NodeOf(volume.id), S_IFREG, PositionOf(volume.id))) break;
  }
  names.Send();
}

void StatFileSystem(fuse_req_t request, fuse_ino_t) {
  const absl::StatusOr<Capacity> capacity = MountedOf(request).directory.GetCapacity();
  if (!capacity.ok()) {
    ReplyError(request, capacity.status(), "asking for the free space of", kRootNode);
    return;
  }
  const struct statvfs answer = FileSystemAttributes(*capacity);
  fuse_reply_statfs(request, &answer);
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
