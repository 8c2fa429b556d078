#include "engine/volume_files.h"

#include <algorithm>
#include <memory>
#include <optional>

#include "engine/base/limits.h"
#include "engine/base/mutant.h"
#include "engine/base/names.h"
#include "engine/base/status.h"
#include "engine/meta/pool_file.h"

namespace baton {
namespace {

absl::Status CheckHoldsNoData(Storage& storage, const std::string& volume) {
  const std::string path = VolumeFilePath(volume);
  const absl::StatusOr<std::unique_ptr<File>> file = storage.Open(path, {.read_only = true});
  if (absl::IsNotFound(file.status())) return absl::OkStatus();
  if (!file.ok()) return file.status();
  BATON_ASSIGN_OR_RETURN(const std::optional<DataRange> data, (*file)->NextData(0));
  if (!data) return absl::OkStatus();
  return Error(absl::StatusCode::kAlreadyExists,
               "the pool has a file {} with data that is no volume: `baton volume adopt {}` makes "
               "it one as it is; or move it away",
               path, volume);
}

// What is refused is the size, since it needs no space: one block at most.
absl::Status ExplainSize(const Storage& storage, const absl::Status& status, uint64_t size_bytes) {
  if (!absl::IsResourceExhausted(status)) return status;
  if (storage.FreeBytes().value_or(0) < limits::kMiB) return status;
  return Error(status.code(),
               "the pool's file system takes no file of {} (ext4 takes less than 16 TiB): make a "
               "smaller volume, or put the pool on another one, such as XFS ({})",
               FormatSize(size_bytes), Message(status));
}

// Others write meanwhile, and clones fail without space: how much there is is looked at each time.
absl::Status TakeSpace(const Storage& storage, const Fence& fence, File& file, uint64_t begin,
                       uint64_t end) {
  while (begin < end) {
    const uint64_t slice = std::min(end - begin, limits::kThickSliceBytes);
    BATON_ASSIGN_OR_RETURN(const uint64_t room, BytesForThick(storage));
    if (slice > room) {
      return Error(absl::StatusCode::kResourceExhausted,
                   "the pool's file system has filled up meanwhile: {} of a thick volume are "
                   "missing, and {} are left for it",
                   FormatSize(end - begin), FormatSize(room));
    }
    BATON_RETURN_IF_ERROR(fence.Check());
    BATON_RETURN_IF_ERROR(file.Allocate(begin, slice));
    begin += slice;
  }
  return absl::OkStatus();
}

absl::Status FillFile(Storage& storage, const Fence& fence, const std::string& path,
                      uint64_t size_bytes, bool thick) {
  BATON_ASSIGN_OR_RETURN(const std::unique_ptr<File> file,
                         storage.Open(path, {.create = true, .leave_reserve = true}));
  BATON_RETURN_IF_ERROR(fence.Check());
  BATON_RETURN_IF_ERROR(file->Truncate(0));
  BATON_RETURN_IF_ERROR(ExplainSize(storage, file->Truncate(size_bytes), size_bytes));
  if (thick) BATON_RETURN_IF_ERROR(TakeSpace(storage, fence, *file, 0, size_bytes));
  BATON_RETURN_IF_ERROR(file->Sync());
  return storage.SyncDirectory(kVolumesPath);
}

absl::Status GrowFile(Storage& storage, const Fence& fence, const VolumeRecord& from,
                      const VolumeRecord& to) {
  BATON_ASSIGN_OR_RETURN(const std::unique_ptr<File> file,
                         storage.Open(VolumeFilePath(from.name()), {.leave_reserve = true}));
  BATON_RETURN_IF_ERROR(fence.Check());
  BATON_RETURN_IF_ERROR(ExplainSize(storage, file->Grow(to.size_bytes()), to.size_bytes()));
  if (to.thick()) {
    BATON_RETURN_IF_ERROR(TakeSpace(storage, fence, *file, from.size_bytes(), to.size_bytes()));
  }
  return BATON_MUTANT(kChangedFileNotSynced) ? absl::OkStatus() : file->Sync();
}

absl::Status MoveFile(Storage& storage, const Fence& fence, const std::string& from,
                      const std::string& to) {
  BATON_RETURN_IF_ERROR(fence.Check());
  BATON_RETURN_IF_ERROR(storage.RenameToFree(VolumeFilePath(from), VolumeFilePath(to)));
  return storage.SyncDirectory(kVolumesPath);
}

// What a creation that was broken off has left of that name.
absl::Status RemoveLeftover(Storage& storage, const Fence& fence, const std::string& volume) {
  BATON_RETURN_IF_ERROR(CheckHoldsNoData(storage, volume));
  const std::string path = VolumeFilePath(volume);
  BATON_ASSIGN_OR_RETURN(const bool is_there, storage.Exists(path));
  if (!is_there) return absl::OkStatus();
  BATON_RETURN_IF_ERROR(fence.Check());
  return storage.Remove(path);
}

// Of a size that is no step of the change somebody else made the file: left for who opens it.
absl::Status CutFile(Storage& storage, const Fence& fence, const VolumeRecord& from,
                     const VolumeRecord& to) {
  BATON_ASSIGN_OR_RETURN(const std::unique_ptr<File> file,
                         storage.Open(VolumeFilePath(from.name()), {}));
  BATON_ASSIGN_OR_RETURN(const uint64_t size_bytes, file->SizeBytes());
  if (size_bytes <= from.size_bytes() || size_bytes > to.size_bytes()) return absl::OkStatus();
  BATON_RETURN_IF_ERROR(fence.Check());
  BATON_RETURN_IF_ERROR(file->Truncate(from.size_bytes()));
  return file->Sync();
}

}  // namespace

std::string VolumeFilePath(const std::string& volume) {
  return std::string(kVolumesPath) + "/" + volume;
}

absl::StatusOr<uint64_t> BytesForThick(const Storage& storage) {
  BATON_ASSIGN_OR_RETURN(const uint64_t free_bytes, storage.FreeBytes());
  return free_bytes - std::min(free_bytes, limits::kReserveBytes);
}

absl::Status MakeVolumeFile(Storage& storage, const Fence& fence, const std::string& volume,
                            uint64_t size_bytes, bool thick) {
  BATON_RETURN_IF_ERROR(CheckHoldsNoData(storage, volume));
  const std::string path = VolumeFilePath(volume);
  absl::Status status = FillFile(storage, fence, path, size_bytes, thick);
  if (!status.ok() && fence.Check().ok()) (void)storage.Remove(path);
  return status;
}

absl::Status ChangeFile(Storage& storage, const Fence& fence, const VolumeRecord& from,
                        const VolumeRecord& to) {
  if (to.size_bytes() != from.size_bytes()) return GrowFile(storage, fence, from, to);
  BATON_RETURN_IF_ERROR(RemoveLeftover(storage, fence, to.name()));
  return MoveFile(storage, fence, from.name(), to.name());
}

absl::Status UndoFileChange(Storage& storage, const Fence& fence, const VolumeRecord& from,
                            const VolumeRecord& to) {
  BATON_ASSIGN_OR_RETURN(const bool is_there, storage.Exists(VolumeFilePath(from.name())));
  if (is_there) {
    return to.size_bytes() == from.size_bytes() ? storage.SyncDirectory(kVolumesPath)
                                                : CutFile(storage, fence, from, to);
  }
  BATON_ASSIGN_OR_RETURN(const bool has_moved, storage.Exists(VolumeFilePath(to.name())));
  return has_moved ? MoveFile(storage, fence, to.name(), from.name()) : absl::OkStatus();
}

absl::StatusOr<uint64_t> MeasureAdoptedFile(Storage& storage, const std::string& volume) {
  const std::string path = VolumeFilePath(volume);
  absl::StatusOr<std::unique_ptr<File>> file = storage.Open(path, {});
  if (absl::IsNotFound(file.status())) {
    return Error(absl::StatusCode::kNotFound,
                 "there is no file {} in the pool: move the image there first, or import it", path);
  }
  if (!file.ok()) return file.status();
  BATON_ASSIGN_OR_RETURN(const uint64_t size_bytes, (*file)->SizeBytes());
  BATON_RETURN_IF_ERROR(Annotate(CheckVolumeSize(size_bytes), path));
  BATON_RETURN_IF_ERROR((*file)->Sync());
  return size_bytes;
}

}  // namespace baton
