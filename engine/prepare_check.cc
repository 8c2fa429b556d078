#include "engine/prepare_check.h"

#include <memory>

#include "engine/base/buffer_pool.h"
#include "engine/base/limits.h"
#include "engine/base/status.h"
#include "engine/volume_files.h"

namespace baton {

absl::Status CheckVolumeReachable(Storage& storage, Runtime& runtime, const std::string& name,
                                  uint64_t size_bytes) {
  const std::string path = VolumeFilePath(name);
  const absl::StatusOr<std::unique_ptr<File>> file =
      storage.Open(path, {.direct = true, .read_only = true});
  BATON_RETURN_IF_ERROR(file.status());
  BATON_ASSIGN_OR_RETURN(const uint64_t found_bytes, (*file)->SizeBytes());
  if (found_bytes != size_bytes) {
    return Error(absl::StatusCode::kFailedPrecondition,
                 "{} has {} bytes as this controller sees it, and must have {}", path, found_bytes,
                 size_bytes);
  }
  BufferPool pool(runtime, 1, limits::kBlockBytes);
  const BufferPool::Handle buffer = pool.Acquire();
  return Annotate((*file)->Read(0, buffer.bytes()), path);
}

}  // namespace baton
