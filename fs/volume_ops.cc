#include "fs/volume_ops.h"

#include <cerrno>

#include "engine/base/status.h"
#include "fs/errno.h"

namespace baton::fs {

fuse_lowlevel_ops VolumeOps() {
  fuse_lowlevel_ops ops = {};
  AddNameOps(ops);
  AddDataOps(ops);
  AddLockOps(ops);
  AddRefusals(ops);
  return ops;
}

std::string Mounted::Describe(uint64_t node) const {
  if (node == kRootNode) return "the directory of volumes";
  const absl::StatusOr<VolumeEntry> entry = directory.Get(VolumeOf(node));
  return entry.ok() ? fmt::format("volume '{}'", entry->name)
                    : fmt::format("volume {}", VolumeOf(node));
}

namespace {

void LeaveToTheNext(fuse_req_t request, const absl::Status& status) {
  if (MountedOf(request).left.fetch_add(1) == 0) {
    spdlog::error("requests are left unanswered, for a successor: {}", Message(status));
  }
  fuse_reply_none(request);
}

}  // namespace

void ReplyError(fuse_req_t request, const absl::Status& status, const char* what, fuse_ino_t node) {
  if (absl::IsAborted(status)) return LeaveToTheNext(request, status);
  const int error = ErrnoOf(status);
  if (error == EIO || error == ENOSPC) {
    Mounted& mounted = MountedOf(request);
    mounted.failures.Warn("{} {} failed: {}", what, mounted.Describe(node), Message(status));
  }
  fuse_reply_err(request, error);
}

}  // namespace baton::fs
