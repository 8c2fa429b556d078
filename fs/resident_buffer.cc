#include "fs/resident_buffer.h"

#include <sys/mman.h>

#include <cerrno>
#include <system_error>

#include "engine/base/status.h"
#include "fs/mount_settings.h"

namespace baton::fs {

absl::StatusOr<std::unique_ptr<ResidentBuffer>> ResidentBuffer::Make(size_t length_bytes) {
  const size_t length = (length_bytes + kHugePageBytes - 1) / kHugePageBytes * kHugePageBytes;
  void* memory =
      ::mmap(nullptr, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) {
    return Error(absl::StatusCode::kResourceExhausted, "no memory for a buffer of {} bytes: {}",
                 length, std::generic_category().message(errno));
  }
  ::madvise(memory, length, MADV_HUGEPAGE);  // a wish: a sixth of the time at each start
  // Not left to mlock: that may be forbidden, and under a sanitizer it does nothing and says OK.
  if (::madvise(memory, length, MADV_POPULATE_WRITE) != 0) {
    const int error = errno;
    ::munmap(memory, length);
    return Error(absl::StatusCode::kResourceExhausted, "no memory for a buffer of {} bytes: {}",
                 length, std::generic_category().message(error));
  }
  const bool locked = ::mlock(memory, length) == 0;
  const MutableBytes bytes(static_cast<std::byte*>(memory), length);
  return std::unique_ptr<ResidentBuffer>(new ResidentBuffer(bytes, locked));
}

ResidentBuffer::~ResidentBuffer() { ::munmap(bytes_.data(), bytes_.size()); }

}  // namespace baton::fs
