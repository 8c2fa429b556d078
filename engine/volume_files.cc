#include "engine/volume_files.h"

#include <memory>
#include <optional>

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
  BATON_RETURN_IF_ERROR(file.Truncate(0));
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
  BATON_RETURN_IF_ERROR(SetSize(*file, size_bytes));
  if (thick) BATON_RETURN_IF_ERROR(file->Allocate(0, size_bytes));
  BATON_RETURN_IF_ERROR(file->Sync());
  return storage.SyncDirectory(kVolumesPath);
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
