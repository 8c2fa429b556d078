// Memory that is there when the kernel copies into it.
#pragma once

#include <absl/status/statusor.h>

#include <memory>

#include "engine/base/bytes.h"

namespace baton::fs {

// Page-aligned, all pages present from the beginning and locked where the process may lock them. A
// page fault in a read from /dev/fuse while the process is being killed would end the
// application's request with EIO: resident buffers are what makes a kill invisible.
class ResidentBuffer {
 public:
  // `length_bytes` is rounded up to whole huge pages. ResourceExhausted: no memory.
  static absl::StatusOr<std::unique_ptr<ResidentBuffer>> Make(size_t length_bytes);
  ~ResidentBuffer();
  ResidentBuffer(const ResidentBuffer&) = delete;
  ResidentBuffer& operator=(const ResidentBuffer&) = delete;

  MutableBytes bytes() const { return bytes_; }
  bool locked() const { return locked_; }

 private:
  ResidentBuffer(MutableBytes bytes, bool locked) : bytes_(bytes), locked_(locked) {}

  const MutableBytes bytes_;
  const bool locked_;
};

}  // namespace baton::fs
