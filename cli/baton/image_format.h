// What a file that is to be imported is: an image as it is, one of another program's format, or
// something compressed.
#pragma once

#include <absl/status/statusor.h>

#include <string>
#include <string_view>

namespace baton {

struct ImageFormat {
  enum class Kind {
    kRaw,          // byte n of the disk is byte n of the file
    kDisk,         // qemu-img reads it, under the name `reader`
    kDescription,  // tells where the image is, in other files
    kPacked,       // the program `reader` unpacks it
  };
  Kind kind = Kind::kRaw;
  std::string name;    // for people: "a qcow2 image", "compressed with gzip"
  std::string reader;  // see kind
};

// Of the first and the last bytes of a file; 4 KiB of each are enough, and a file may be shorter.
ImageFormat RecogniseImage(std::string_view head, std::string_view tail);

// What qemu-img says of the disk in the open file `fd`. InvalidArgument: it needs other files, too.
// FailedPrecondition: qemu-img is missing, or cannot read it. `path` is for messages.
absl::StatusOr<uint64_t> MeasureDisk(const ImageFormat& format, int fd, const std::string& path);

}  // namespace baton
