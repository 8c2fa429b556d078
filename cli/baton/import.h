// The copy behind `volume import` and `volume export`: what one file holds into another one, holes
// left out.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstdint>
#include <string>

#include "cli/baton/image_format.h"
#include "cli/baton/shown_copy.h"
#include "engine/base/unique_fd.h"

namespace baton {

// A file or block device whose content can become a volume.
struct ImportSource {
  UniqueFd fd;
  std::string path;
  ImageFormat format;
  uint64_t size_bytes = 0;    // of the disk in it
  uint64_t volume_bytes = 0;  // of the volume: that, padded with zeros to whole blocks
  int64_t modified_ns = 0;
  bool may_change = false;  // while it is read: what is read may mix several moments
};

enum class ImportAs {
  kRecognised,  // what the first bytes say
  kRaw,         // byte by byte, whatever they say
};

// What is compressed is unpacked once here, to learn its size. InvalidArgument: neither file nor
// block device, or a size that no volume can have; the message says what to do.
// FailedPrecondition: the program that reads its format is missing, or fails.
absl::StatusOr<ImportSource> OpenImportSource(const std::string& path,
                                              ImportAs as = ImportAs::kRecognised);

// FailedPrecondition: it was changed since it was opened, and may not be.
absl::Status CheckUnchanged(const ImportSource& source);

// Copies the disk in `source` into the file `volume_path`, whose content is zeros and whose size is
// volume_bytes. Durable when it returns OK. `progress` gives up with Cancelled. FailedPrecondition:
// the source was changed meanwhile, or the program that reads its format fails.
absl::Status CopyIntoVolume(const ImportSource& source, const std::string& volume_path,
                            const CopyProgress& progress);

}  // namespace baton
