// The bottom of an I/O path under test.
#pragma once

#include <functional>
#include <string>

#include "engine/base/volume_io.h"

namespace baton {

// A volume without content that calls `hook` in each of its calls.
class HookedVolume final : public VolumeIo {
 public:
  uint64_t size_bytes() const override { return 1 << 20; }
  absl::Status Read(uint64_t offset, MutableBytes) override { return Call("read", offset); }
  absl::Status Write(uint64_t offset, Bytes) override { return Call("write", offset); }
  absl::Status Flush() override { return Call("flush", 0); }
  absl::Status Discard(uint64_t offset, uint64_t) override { return Call("discard", offset); }

  void set_hook(std::function<void(const std::string& call, uint64_t offset)> hook) {
    hook_ = std::move(hook);
  }

 private:
  absl::Status Call(const std::string& call, uint64_t offset) {
    if (hook_) hook_(call, offset);
    return absl::OkStatus();
  }

  std::function<void(const std::string& call, uint64_t offset)> hook_;
};

}  // namespace baton
