#include "engine/base/resident_memory.h"

#include <sys/mman.h>

#include <cstdlib>
#include <new>

#include "engine/base/limits.h"

namespace baton {
namespace {

constexpr size_t kHugePageBytes = 2 * limits::kMiB;

// One write a page makes it resident; clearing all of it would cost a simulation more than the
// simulation itself. In huge pages that takes a sixth of the time, at each start of a controller.
std::byte* AllocateResident(size_t bytes) {
  const size_t unit = bytes < kHugePageBytes ? limits::kBlockBytes : kHugePageBytes;
  void* memory = std::aligned_alloc(unit, (bytes + unit - 1) / unit * unit);
  if (memory == nullptr) throw std::bad_alloc();
  if (unit == kHugePageBytes) ::madvise(memory, bytes, MADV_HUGEPAGE);  // a wish
  auto* data = static_cast<std::byte*>(memory);
  for (size_t at = 0; at < bytes; at += limits::kBlockBytes) {
    *const_cast<volatile std::byte*>(data + at) = std::byte{0};
  }
  return data;
}

}  // namespace

ResidentMemory::ResidentMemory(size_t bytes) : data_(AllocateResident(bytes)) {}

ResidentMemory::~ResidentMemory() { std::free(data_); }

}  // namespace baton
