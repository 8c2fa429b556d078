// Kernel AIO for writes that go side by side. Internal to PosixStorage.
#pragma once

#include <absl/synchronization/mutex.h>
#include <libaio.h>

#include <vector>

#include "engine/base/posix_file.h"

namespace baton {

// Kernel AIO contexts, lent to one call at a time and kept: as many exist as calls were ever
// running at once. Thread-safe.
class AioContexts {
 public:
  AioContexts() = default;
  ~AioContexts();
  AioContexts(const AioContexts&) = delete;
  AioContexts& operator=(const AioContexts&) = delete;

  static constexpr size_t kMaxWrites = 16;

  struct Piece {
    PosixFile* file = nullptr;
    uint64_t offset = 0;
    Bytes data;
  };

  // Issues up to kMaxWrites durable writes at once and returns when none is in flight any more.
  absl::Status WriteAll(std::span<const Piece> pieces);

 private:
  absl::StatusOr<io_context_t> Take();
  void Return(io_context_t context);

  absl::Mutex mutex_;
  std::vector<io_context_t> idle_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace baton
