// The narrow waist: whatever moves a volume's bytes is a VolumeIo.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstdint>

#include "engine/base/bytes.h"

namespace baton {

// A sequence of bytes that changes its size by a command alone, and only grows. All calls are
// synchronous, may come from any number of threads at once, take any offset and length that lie
// inside the volume, and are positional: repeating one that was not answered is harmless.
//
//  OutOfRange        a range that does not lie inside the volume; nothing was done
//  ResourceExhausted no space on the storage; a prefix of the range may have been written
//  anything else     the bytes of the range are undefined (old, new or a mix) until written again
class VolumeIo {
 public:
  virtual ~VolumeIo() = default;

  // Never waits. A volume of another node may have grown since it was opened.
  virtual uint64_t size_bytes() const = 0;
  // As of now: asks whoever serves the content, and may wait as a read does. Errors are those of a
  // read.
  virtual absl::StatusOr<uint64_t> SizeNow() { return size_bytes(); }

  virtual absl::Status Read(uint64_t offset, MutableBytes out) = 0;

  // OK: the data has left this node (see Durability); what a Flush adds is safety from loss of
  // the storage's power.
  virtual absl::Status Write(uint64_t offset, Bytes data) = 0;

  // OK: every write and discard that was acknowledged before the call is durable.
  virtual absl::Status Flush() = 0;

  // The range reads as zeros afterwards; its space is given back where the storage can, unless it
  // was promised to the volume (thick).
  virtual absl::Status Discard(uint64_t offset, uint64_t length_bytes) = 0;
};

}  // namespace baton
