// Memory that is there before it is needed.
#pragma once

#include <cstddef>

#include "engine/base/bytes.h"

namespace baton {

// `bytes` of memory, aligned to 4 KiB, touched once so that no page fault is left for later. What
// it holds is undefined.
class ResidentMemory {
 public:
  explicit ResidentMemory(size_t bytes);
  ~ResidentMemory();
  ResidentMemory(const ResidentMemory&) = delete;
  ResidentMemory& operator=(const ResidentMemory&) = delete;

  std::byte* data() const { return data_; }

 private:
  std::byte* const data_;
};

}  // namespace baton
