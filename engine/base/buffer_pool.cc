#include "engine/base/buffer_pool.h"

#include "engine/base/host_request.h"
#include "engine/base/limits.h"

namespace baton {
namespace {

constexpr size_t RoundUp(size_t bytes) {
  return (bytes + limits::kBlockBytes - 1) / limits::kBlockBytes * limits::kBlockBytes;
}

}  // namespace

BufferPool::BufferPool(Runtime& runtime, size_t count, size_t buffer_bytes)
    : runtime_(runtime),
      count_(count),
      buffer_bytes_(buffer_bytes),
      memory_(count * RoundUp(buffer_bytes)) {
  free_.reserve(count_);
  for (size_t i = count_; i-- > 0;) free_.push_back(memory_.data() + i * RoundUp(buffer_bytes_));
}

std::byte* BufferPool::Take() {
  absl::MutexLock lock(&mutex_);
  if (free_.empty()) {
    const HostRequest::Spending waiting(runtime_, Spent::kLock);
    while (free_.empty()) runtime_.Wait(released_, mutex_);
  }
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
