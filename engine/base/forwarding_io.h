// A VolumeIo that stands in front of another one.
#pragma once

#include "engine/base/volume_io.h"

namespace baton {

// What a subclass does not override goes on to `next`, which outlives it.
class ForwardingIo : public VolumeIo {
 public:
  explicit ForwardingIo(VolumeIo& next) : next_(next) {}

  uint64_t size_bytes() const override { return next_.size_bytes(); }
  absl::Status Read(uint64_t offset, MutableBytes out) override { return next_.Read(offset, out); }
  absl::Status Write(uint64_t offset, Bytes data) override { return next_.Write(offset, data); }
  absl::Status Flush() override { return next_.Flush(); }
  absl::Status Discard(uint64_t offset, uint64_t length_bytes) override {
    return next_.Discard(offset, length_bytes);
  }

 private:
  VolumeIo& next_;
};

}  // namespace baton
