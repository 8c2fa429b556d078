// Content: open, read, write, fsync, fallocate, lseek.
#include <fcntl.h>
#include <linux/falloc.h>

#include <algorithm>
#include <cerrno>
#include <memory>

#include "engine/base/host_request.h"
#include "engine/base/status.h"
#include "fs/mount_settings.h"
#include "fs/protocol.h"
#include "fs/volume_ops.h"

namespace baton::fs {
namespace {

// The volume, or a null `io` and the request answered.
OpenVolumes::Used UsedOrReply(fuse_req_t request, absl::StatusOr<OpenVolumes::Used> volume,
                              const char* what, fuse_ino_t node) {
  if (volume.ok()) return *std::move(volume);
  ReplyError(request, volume.status(), what, node);
  return {};
}

// A request for content, from its begin to its answer.
class Transfer {
 public:
  Transfer(fuse_req_t request, IoKind kind)
      : mounted_(MountedOf(request)), kind_(kind), begin_(mounted_.runtime.BootTime()) {
    ServedRequest::Current().BeginIo(begin_);
  }

  // The volume of `node`, or a null `io` and the request counted and answered.
  OpenVolumes::Used VolumeFor(fuse_req_t request, fuse_ino_t node, const char* what) {
    absl::StatusOr<OpenVolumes::Used> volume = mounted_.volumes.Get(VolumeOf(node));
    if (!volume.ok() && !absl::IsCancelled(volume.status())) NoteTime(volume.status());
    return UsedOrReply(request, std::move(volume), what, node);
  }

  // Counts it, before it is answered: whoever has the answer finds it counted. What is left
  // unanswered is counted by whoever answers it.
  void Note(VolumeCounters& volume, const absl::Status& status, uint64_t bytes) {
    if (!absl::IsAborted(status)) volume.Note(kind_, status.ok() ? bytes : 0);
    NoteTime(status);
  }

 private:
  // Nobody sees the answer of one who is being killed: it is no error.
  void NoteTime(const absl::Status& status) {
    if (absl::IsAborted(status)) return;
    const absl::Duration now = mounted_.runtime.BootTime();
    const bool is_error = !status.ok() && !absl::IsCancelled(status);
    mounted_.times[static_cast<size_t>(kind_)].Note(now - begin_, is_error);
    ServedRequest& served = ServedRequest::Current();
    if (mounted_.slow.IsSlow(now - served.came())) NoteSlow(served, now);
    // A discard may take long by itself.
    const bool met_change = kind_ != IoKind::kDiscard && served.was_unserved();
    if (met_change) mounted_.stall.Note(now, now - begin_);
  }

  // It is under way no more before it is among those that were answered: nobody sees it twice.
  void NoteSlow(ServedRequest& served, absl::Duration now) {
    std::optional<SlowRequest> slow = served.IoUnderWay(now);
    if (!slow) return;
    slow->doing.reset();
    served.EndIo();
    mounted_.slow.Note(*slow);
  }

  Mounted& mounted_;
  const IoKind kind_;
  const absl::Duration begin_;
};

// How much of a range lies in the volume. It is asked for its size where the range ends beyond the
// one that is known, which is rare.
absl::StatusOr<uint64_t> LengthInside(VolumeIo& volume, uint64_t offset, uint64_t length_bytes) {
  const uint64_t known = volume.size_bytes();
  if (offset <= known && length_bytes <= known - offset) return length_bytes;
  BATON_ASSIGN_OR_RETURN(const uint64_t size, volume.SizeNow());
  return offset >= size ? 0 : std::min(length_bytes, size - offset);
}

// Not through the page cache: nobody would tell it what other controllers write. Writes to
// different places of one file go side by side. libfuse 3.14 has no name for that flag, so the
// answer is made by hand.
void Open(fuse_req_t request, fuse_ino_t node, fuse_file_info*) {
  OpenVolumes& volumes = MountedOf(request).volumes;
  const uint64_t handle = ServerOf(request).unique;
  const absl::Status status = volumes.AddOpen(VolumeOf(node), handle);
  if (!status.ok()) {
    ReplyError(request, status, "opening", node);
    return;
  }
  fuse_open_out answer = {};
  answer.fh = handle;
  answer.open_flags = FOPEN_DIRECT_IO | FOPEN_PARALLEL_DIRECT_WRITES;
  // The close of a file waits for nobody, but where it may end a lock that was got through another
  // one: it would wait for a controller, and a program that starts another one closes what it has.
  if (!MountedOf(request).locks.HoldsRanges(VolumeOf(node))) answer.open_flags |= FOPEN_NOFLUSH;
  // Whoever gave up waiting for the answer will not release what was opened.
  if (fuse_reply_buf(request, reinterpret_cast<const char*>(&answer), sizeof(answer)) != 0) {
    volumes.DropOpen(VolumeOf(node), handle);
  }
}

void Release(fuse_req_t request, fuse_ino_t node, fuse_file_info* file) {
  MountedOf(request).locks.Release(VolumeOf(node), file->fh);
  MountedOf(request).volumes.DropOpen(VolumeOf(node), file->fh);
  fuse_reply_err(request, 0);
}

void Read(fuse_req_t request, fuse_ino_t node, size_t size, off_t offset, fuse_file_info*) {
  Transfer transfer(request, IoKind::kRead);
  const OpenVolumes::Used volume = transfer.VolumeFor(request, node, "reading");
  if (volume.io == nullptr) return;
  const MutableBytes answer = ServerOf(request).answer;
  const absl::StatusOr<uint64_t> length =
      LengthInside(*volume.io, static_cast<uint64_t>(offset), std::min(size, answer.size()));
  const MutableBytes out = answer.first(length.value_or(0));
  absl::Status status = length.status();
  if (!out.empty()) status = volume.io->Read(static_cast<uint64_t>(offset), out);
  transfer.Note(*volume.counters, status, out.size());
  if (!status.ok()) {
    ReplyError(request, status, "reading", node);
    return;
  }
  fuse_reply_buf(request, reinterpret_cast<const char*>(out.data()), out.size());
}

// At the end of a volume writing ends as at the end of a disk: a write that crosses it is short,
// one that begins there finds no space. `data` lies in the worker's receive buffer.
void Write(fuse_req_t request, fuse_ino_t node, const char* data, size_t size, off_t offset,
           fuse_file_info*) {
  Transfer transfer(request, IoKind::kWrite);
  const OpenVolumes::Used volume = transfer.VolumeFor(request, node, "writing");
  if (volume.io == nullptr) return;
  const absl::StatusOr<uint64_t> length =
      LengthInside(*volume.io, static_cast<uint64_t>(offset), size);
  const Bytes bytes(reinterpret_cast<const std::byte*>(data), length.value_or(0));
  absl::Status status = length.status();
  if (!bytes.empty()) status = volume.io->Write(static_cast<uint64_t>(offset), bytes);
  transfer.Note(*volume.counters, status, bytes.size());
  if (!status.ok()) {
    ReplyError(request, status, "writing", node);
  } else if (bytes.empty()) {
    fuse_reply_err(request, ENOSPC);
  } else {
    fuse_reply_write(request, bytes.size());
  }
}

void Sync(fuse_req_t request, fuse_ino_t node, int, fuse_file_info*) {
  Transfer transfer(request, IoKind::kFlush);
  const OpenVolumes::Used volume = transfer.VolumeFor(request, node, "flushing");
  if (volume.io == nullptr) return;
  const absl::Status status = volume.io->Flush();
  transfer.Note(*volume.counters, status, 0);
  if (!status.ok()) {
    ReplyError(request, status, "flushing", node);
    return;
  }
  fuse_reply_err(request, 0);
}

// In pieces that end at multiples of their size; whoever is being killed waits for one at most.
absl::Status DiscardInPieces(const Mounted& mounted, VolumeIo& volume, uint64_t begin,
                             uint64_t length_bytes) {
  const uint64_t end = begin + length_bytes;
  HostRequest* const request = HostRequest::Current();
  while (begin < end) {
    if (mounted.ending) return absl::AbortedError("the session ends within a discard");
    const uint64_t next =
        std::min(end, (begin / limits::kDiscardPieceBytes + 1) * limits::kDiscardPieceBytes);
    if (request != nullptr && request->killed()) {
      return absl::CancelledError("whoever asked for the discard is being killed");
    }
    if (request != nullptr && next < end) request->NoteWait();
    BATON_RETURN_IF_ERROR(volume.Discard(begin, next - begin));
    begin = next;
  }
  return absl::OkStatus();
}

// Punching a hole and zeroing are discards, cut off at the end. Reserving space is accepted and
// does nothing: whether a volume is thin or thick was chosen when it was made.
void Allocate(fuse_req_t request, fuse_ino_t node, int mode, off_t offset, off_t length,
              fuse_file_info*) {
  constexpr int kKnownModes = FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE;
  if (mode & ~kKnownModes) {
    fuse_reply_err(request, EOPNOTSUPP);
    return;
  }
  Transfer transfer(request, IoKind::kDiscard);
  const OpenVolumes::Used volume = transfer.VolumeFor(request, node, "discarding in");
  if (volume.io == nullptr) return;
  const bool may_grow = (mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE)) == 0;
  const bool discards = (mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)) != 0;
  if (!may_grow && !discards) {
    fuse_reply_err(request, 0);
    return;
  }
  Mounted& mounted = MountedOf(request);
  const auto begin = static_cast<uint64_t>(offset);
  const auto wanted = static_cast<uint64_t>(length);
  const absl::StatusOr<uint64_t> inside = LengthInside(*volume.io, begin, wanted);
  if (may_grow && inside.ok() && *inside < wanted) {
    mounted.refusals.Warn("refused to make {} larger through the mount: use baton volume resize",
                          mounted.Describe(node));
    fuse_reply_err(request, ENOSPC);
    return;
  }
  absl::Status status = inside.status();
  if (discards) {
    if (status.ok()) status = DiscardInPieces(mounted, *volume.io, begin, *inside);
    transfer.Note(*volume.counters, status, inside.value_or(0));
  }
  if (!status.ok()) {
    ReplyError(request, status, "discarding in", node);
    return;
  }
  fuse_reply_err(request, 0);
}

// Where data begins at or after `offset`; `size_bytes` when there is only a hole left.
absl::StatusOr<uint64_t> FindData(const VolumeDirectory& directory, uint64_t id, uint64_t offset,
                                  uint64_t size_bytes) {
  BATON_ASSIGN_OR_RETURN(const std::optional<DataRange> range, directory.NextData(id, offset));
  return range ? std::max(offset, range->begin) : size_bytes;
}

// Where a hole begins at or after `offset`; the end of a volume counts as one.
absl::StatusOr<uint64_t> FindHole(const VolumeDirectory& directory, uint64_t id, uint64_t offset,
                                  uint64_t size_bytes) {
  while (offset < size_bytes) {
    BATON_ASSIGN_OR_RETURN(const std::optional<DataRange> range, directory.NextData(id, offset));
    if (!range || range->begin > offset) return offset;
    offset = range->end;
  }
  return size_bytes;
}

void Seek(fuse_req_t request, fuse_ino_t node, off_t offset, int whence, fuse_file_info*) {
  if (whence != SEEK_DATA && whence != SEEK_HOLE) {
    fuse_reply_err(request, EINVAL);
    return;
  }
  const OpenVolumes::Used volume =
      UsedOrReply(request, MountedOf(request).volumes.Get(VolumeOf(node)), "finding data in", node);
  if (volume.io == nullptr) return;
  const absl::StatusOr<uint64_t> size = volume.io->SizeNow();
  if (!size.ok()) {
    ReplyError(request, size.status(), "finding data in", node);
    return;
  }
  if (offset < 0 || static_cast<uint64_t>(offset) >= *size) {
    fuse_reply_err(request, ENXIO);
    return;
  }
  const auto find = whence == SEEK_DATA ? FindData : FindHole;
  const absl::StatusOr<uint64_t> found =
      find(MountedOf(request).directory, VolumeOf(node), static_cast<uint64_t>(offset), *size);
  if (!found.ok()) {
    ReplyError(request, found.status(), "finding data in", node);
  } else if (whence == SEEK_DATA && *found >= *size) {
    fuse_reply_err(request, ENXIO);
  } else {
    fuse_reply_lseek(request, static_cast<off_t>(std::min(*found, *size)));
  }
}

}  // namespace

void AddDataOps(fuse_lowlevel_ops& ops) {
  ops.open = Open;
  ops.release = Release;
  ops.read = Read;
  ops.write = Write;
  ops.fsync = Sync;
  ops.fallocate = Allocate;
  ops.lseek = Seek;
}

}  // namespace baton::fs
