// The copy behind `volume import`: a file's data into a volume, holes left out.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstdint>
#include <functional>
#include <string>

#include "engine/base/unique_fd.h"

namespace baton {

// A file or block device whose bytes can become a volume.
struct ImportSource {
  UniqueFd fd;
  std::string path;
  uint64_t size_bytes = 0;
  int64_t modified_ns = 0;
};

// InvalidArgument: neither file nor block device, or a size that no volume can have; the message
// says how to pad the file.
absl::StatusOr<ImportSource> OpenImportSource(const std::string& path);

// Copies the data of `source` into the file `volume_path`, whose content is zeros and whose size
// is the source's; several 1 MiB requests are under way at one time. Durable when it returns OK.
// `progress` is told how far it is, from several threads, one at a time; false gives up
// (Cancelled). FailedPrecondition: the source was changed meanwhile.
absl::Status CopyIntoVolume(const ImportSource& source, const std::string& volume_path,
                            const std::function<bool(uint64_t done_bytes)>& progress);

}  // namespace baton
