#include "engine/base/buffer_pool.h"

#include <sys/mman.h>

#include <cstdlib>
#include <new>

#include "engine/base/limits.h"

namespace baton {
namespace {

constexpr size_t kHugePageBytes = 2 * limits::kMiB;

constexpr size_t RoundUp(size_t bytes, size_t unit = limits::kBlockBytes) {
  return (bytes + unit - 1) / unit * unit;
}

// One write a page makes it resident; clearing all of it would cost a simulation more than the
// simulation itself. In huge pages that takes a sixth of the time, at each start of a controller.
std::byte* AllocateResident(size_t bytes) {
  const size_t unit = bytes < kHugePageBytes ? limits::kBlockBytes : kHugePageBytes;
  void* memory = std::aligned_alloc(unit, RoundUp(bytes, unit));
  if (memory == nullptr) throw std::bad_alloc();
  if (unit == kHugePageBytes) ::madvise(memory, bytes, MADV_HUGEPAGE);  // a wish
  auto* data = static_cast<std::byte*>(memory);
  for (size_t at = 0; at < bytes; at += limits::kBlockBytes) {
    *const_cast<volatile std::byte*>(data + at) = std::byte{0};
  }
  return data;
}

}  // namespace

BufferPool::BufferPool(Runtime& runtime, size_t count, size_t buffer_bytes)
    : runtime_(runtime),
      count_(count),
      buffer_bytes_(buffer_bytes),
      memory_(AllocateResident(count * RoundUp(buffer_bytes))) {
  free_.reserve(count_);
  for (size_t i = count_; i-- > 0;) free_.push_back(memory_ + i * RoundUp(buffer_bytes_));
}

BufferPool::~BufferPool() { std::free(memory_); }

std::byte* BufferPool::Take() {
  absl::MutexLock lock(&mutex_);
  while (free_.empty()) runtime_.Wait(released_, mutex_);
  std::byte* data = free_.back();
  free_.pop_back();
  return data;
}

void BufferPool::Release(std::byte* data) {
  absl::MutexLock lock(&mutex_);
  free_.push_back(data);
  released_.Signal();
}

}  // namespace baton
