// Wakes a thread that polls.
#pragma once

#include <absl/status/statusor.h>
#include <sys/eventfd.h>

#include <cerrno>

#include "engine/base/errno_status.h"
#include "engine/base/unique_fd.h"

namespace baton {

// Readable from Wake() until Clear(). Thread-safe.
class WakeFd {
 public:
  WakeFd() : fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}
  absl::Status status() const {
    return fd_.valid() ? absl::OkStatus() : ErrnoStatus(errno, "make", "an eventfd");
  }
  int fd() const { return fd_.get(); }
  void Wake() { ::eventfd_write(fd_.get(), 1); }
  void Clear() {
    eventfd_t count;
    ::eventfd_read(fd_.get(), &count);
  }

 private:
  const UniqueFd fd_;
};

}  // namespace baton
