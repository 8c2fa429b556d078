// What of the kernel's FUSE protocol is newer than the headers of libfuse 3.14 and of Debian 12.
#pragma once

#include <linux/fuse.h>

#include <cstdint>

namespace baton::fs {

constexpr char kFuseDevice[] = "/dev/fuse";

// INIT, upper word: files opened for direct I/O can be mapped MAP_SHARED (Linux 6.6).
constexpr uint32_t kInitDirectIoAllowMmap = 1u << (36 - 32);
// INIT, upper word, offered only: the kernel knows kNotifyResend (Linux 6.9).
constexpr uint32_t kInitHasResend = 1u << (39 - 32);

// Notification: deliver again every request that was read and not answered. They come back with
// the top bit of `unique` set, which the answer repeats.
constexpr int32_t kNotifyResend = 7;
constexpr uint64_t kUniqueResent = uint64_t{1} << 63;

// A WRITE request is these headers and then its data.
constexpr uint64_t kWriteHeaderBytes = sizeof(fuse_in_header) + sizeof(fuse_write_in);
static_assert(kWriteHeaderBytes == 80, "the kernel's layout");
static_assert(sizeof(fuse_open_out) == 16, "the kernel's layout");

}  // namespace baton::fs
