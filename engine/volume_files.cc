#include "engine/volume_files.h"

#include <memory>
#include <optional>

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

// No space is needed for it: what is refused is the size.
absl::Status SetSize(File& file, uint64_t size_bytes) {
  const absl::Status status = file.Truncate(size_bytes);
  if (!absl::IsResourceExhausted(status)) return status;
  return Error(status.code(),
               "the pool's file system takes no file of {} (ext4 takes less than 16 TiB): make a "
               "smaller volume, or put the pool on another one, such as XFS ({})",
               FormatSize(size_bytes), Message(status));
}

absl::Status FillFile(Storage& storage, const std::string& path, uint64_t size_bytes, bool thick) {
  BATON_ASSIGN_OR_RETURN(const std::unique_ptr<File> file,
                         storage.Open(path, {.create = true, .leave_reserve = true}));
  BATON_RETURN_IF_ERROR(file->Truncate(0));
  BATON_RETURN_IF_ERROR(SetSize(*file, size_bytes));
  if (thick) BATON_RETURN_IF_ERROR(file->Allocate(0, size_bytes));
  BATON_RETURN_IF_ERROR(file->Sync());
  return storage.SyncDirectory(kVolumesPath);
}

absl::Status GrowFile(Storage& storage, const VolumeRecord& from, const VolumeRecord& to) {
  BATON_ASSIGN_OR_RETURN(const std::unique_ptr<File> file,
                         storage.Open(VolumeFilePath(from.name()), {.leave_reserve = true}));
  BATON_RETURN_IF_ERROR(SetSize(*file, to.size_bytes()));
  if (to.thick()) {
    BATON_RETURN_IF_ERROR(file->Allocate(from.size_bytes(), to.size_bytes() - from.size_bytes()));
  }
  return BATON_MUTANT(kChangedFileNotSynced) ? absl::OkStatus() : file->Sync();
}

absl::Status MoveFile(Storage& storage, const std::string& from, const std::string& to) {
  BATON_RETURN_IF_ERROR(storage.Rename(VolumeFilePath(from), VolumeFilePath(to)));
  return storage.SyncDirectory(kVolumesPath);
}

// Of a size that is no step of the change somebody else made the file: left for who opens it.
absl::Status CutFile(Storage& storage, const VolumeRecord& from, const VolumeRecord& to) {
  BATON_ASSIGN_OR_RETURN(const std::unique_ptr<File> file,
                         storage.Open(VolumeFilePath(from.name()), {}));
  BATON_ASSIGN_OR_RETURN(const uint64_t size_bytes, file->SizeBytes());
  if (size_bytes <= from.size_bytes() || size_bytes > to.size_bytes()) return absl::OkStatus();
  BATON_RETURN_IF_ERROR(file->Truncate(from.size_bytes()));
  return file->Sync();
}

}  // namespace

std::string VolumeFilePath(const std::string& volume) {
  return std::string(kVolumesPath) + "/" + volume;
}

absl::Status MakeVolumeFile(Storage& storage, const std::string& volume, uint64_t size_bytes,
                            bool thick) {
  BATON_RETURN_IF_ERROR(CheckHoldsNoData(storage, volume));
  const std::string path = VolumeFilePath(volume);
  absl::Status status = FillFile(storage, path, size_bytes, thick);
  if (!status.ok()) (void)storage.Remove(path);
  return status;
}

absl::Status ChangeFile(Storage& storage, const VolumeRecord& from, const VolumeRecord& to) {
  if (to.size_bytes() != from.size_bytes()) return GrowFile(storage, from, to);
  BATON_RETURN_IF_ERROR(CheckHoldsNoData(storage, to.name()));
  return MoveFile(storage, from.name(), to.name());
}

absl::Status UndoFileChange(Storage& storage, const VolumeRecord& from, const VolumeRecord& to) {
  BATON_ASSIGN_OR_RETURN(const bool is_there, storage.Exists(VolumeFilePath(from.name())));
  if (is_there) {
    return to.size_bytes() == from.size_bytes() ? storage.SyncDirectory(kVolumesPath)
                                                : CutFile(storage, from, to);
  }
  BATON_ASSIGN_OR_RETURN(const bool has_moved, storage.Exists(VolumeFilePath(to.name())));
  return has_moved ? MoveFile(storage, to.name(), from.name()) : absl::OkStatus();
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
