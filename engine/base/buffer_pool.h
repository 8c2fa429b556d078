// Aligned buffers that exist before they are needed: the data path does not allocate.
#pragma once

#include <absl/synchronization/mutex.h>

#include <cstddef>
#include <vector>

#include "engine/base/bytes.h"
#include "engine/base/resident_memory.h"
#include "engine/base/runtime.h"

namespace baton {

// `count` buffers of `buffer_bytes` each, aligned to 4 KiB, resident from construction on.
// Thread-safe. Acquire waits while all are lent out, so whoever holds one never acquires a second
// from the same pool.
class BufferPool {
 public:
  BufferPool(Runtime& runtime, size_t count, size_t buffer_bytes);
  BufferPool(const BufferPool&) = delete;
  BufferPool& operator=(const BufferPool&) = delete;

  class Handle {
   public:
    Handle(BufferPool& pool, std::byte* data) : pool_(pool), data_(data) {}
    ~Handle() { pool_.Release(data_); }
    Handle(const Handle&) = delete;
    Handle& operator=(const Handle&) = delete;
    MutableBytes bytes() const { return {data_, pool_.buffer_bytes_}; }

   private:
    BufferPool& pool_;
    std::byte* const data_;
  };

  Handle Acquire() { return Handle(*this, Take()); }
  size_t buffer_bytes() const { return buffer_bytes_; }

 private:
  std::byte* Take();
  void Release(std::byte* data);

  Runtime& runtime_;
  const size_t count_;
  const size_t buffer_bytes_;
  const ResidentMemory memory_;
  absl::Mutex mutex_;
  absl::CondVar released_;
  std::vector<std::byte*> free_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace baton
