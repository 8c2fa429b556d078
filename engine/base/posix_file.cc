#include "engine/base/posix_file.h"

#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/stat.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "engine/base/errno_status.h"
#include "engine/base/limits.h"
#include "engine/base/status.h"

namespace baton {
namespace {

alignas(limits::kBlockBytes) constexpr std::byte kZeros[64 * limits::kKiB] = {};

// Repeats `call` while a signal interrupts it.
template <typename Call>
auto Uninterrupted(Call call) {
  auto result = call();
  while (result < 0 && errno == EINTR) result = call();
  return result;
}

uint64_t RoundDownToBlock(uint64_t value) { return value - value % limits::kBlockBytes; }
uint64_t RoundUpToBlock(uint64_t value) {
  return RoundDownToBlock(value + limits::kBlockBytes - 1);
}

bool IsMultiple(uint64_t value, uint32_t unit) { return value % unit == 0; }

// What direct I/O on `fd` must be aligned to; offset_bytes 0: it has none. A kernel or a file
// system that does not say is given whole blocks, the largest alignment that devices ask for.
absl::StatusOr<IoAlignment> DirectAlignment(int fd, const std::string& name) {
  constexpr uint32_t kBlock = limits::kBlockBytes;
  struct statx answer = {};
  if (::statx(fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &answer) != 0) {
    return ErrnoStatus(errno, "statx", name);
  }
  if ((answer.stx_mask & STATX_DIOALIGN) == 0) return IoAlignment{kBlock, kBlock};
  if (answer.stx_dio_offset_align > kBlock || answer.stx_dio_mem_align > kBlock) {
    return Error(absl::StatusCode::kUnimplemented,
                 "{}: direct I/O aligned to {} bytes, more than the {} supported", name,
                 std::max(answer.stx_dio_offset_align, answer.stx_dio_mem_align), kBlock);
  }
  return IoAlignment{answer.stx_dio_offset_align, std::max(answer.stx_dio_mem_align, 1U)};
}

}  // namespace

PosixFile::PosixFile(UniqueFd fd, IoAlignment alignment, std::string name)
    : fd_(std::move(fd)), alignment_(alignment), name_(std::move(name)) {}

absl::StatusOr<std::unique_ptr<PosixFile>> PosixFile::Adopt(UniqueFd fd, bool direct,
                                                            std::string name) {
  struct stat attributes = {};
  if (::fstat(fd.get(), &attributes) != 0) return ErrnoStatus(errno, "stat", name);
  if (!S_ISREG(attributes.st_mode)) {
    return Error(absl::StatusCode::kFailedPrecondition, "open {}: not a regular file", name);
  }
  IoAlignment alignment;
  if (direct) {
    BATON_ASSIGN_OR_RETURN(alignment, DirectAlignment(fd.get(), name));
    if (alignment.offset_bytes == 0) {
      const int flags = ::fcntl(fd.get(), F_GETFL);
      if (::fcntl(fd.get(), F_SETFL, flags & ~O_DIRECT) != 0) {
        return ErrnoStatus(errno, "fcntl", name);
      }
      alignment = IoAlignment{};
    }
  }
  return std::unique_ptr<PosixFile>(new PosixFile(std::move(fd), alignment, std::move(name)));
}

absl::Status PosixFile::Fail(const char* operation, int error) const {
  return ErrnoStatus(error, operation, name_);
}

absl::Status PosixFile::CheckAligned(uint64_t offset, Bytes data) const {
  const auto address = reinterpret_cast<uintptr_t>(data.data());
  if (IsMultiple(offset, alignment_.offset_bytes) &&
      IsMultiple(data.size(), alignment_.offset_bytes) &&
      IsMultiple(address, alignment_.memory_bytes)) {
    return absl::OkStatus();
  }
  return Error(absl::StatusCode::kInvalidArgument,
               "{}: direct I/O of {} bytes at {} from address {:#x}, not aligned to {} and {}",
               name_, data.size(), offset, address, alignment_.offset_bytes,
               alignment_.memory_bytes);
}

absl::Status PosixFile::Read(uint64_t offset, MutableBytes out) const {
  BATON_RETURN_IF_ERROR(CheckAligned(offset, out));
  size_t done = 0;
  while (done < out.size()) {
    const ssize_t got = Uninterrupted([&] {
      return ::pread(fd_.get(), out.data() + done, out.size() - done,
                     static_cast<off_t>(offset + done));
    });
    if (got < 0) return Fail("read", errno);
    done += static_cast<size_t>(got);
    // A direct read that stops inside a unit has met the end of the file, and could not be
    // continued from there anyway.
    if (got == 0 || !IsMultiple(done, alignment_.offset_bytes)) break;
  }
  std::fill(out.begin() + static_cast<ptrdiff_t>(done), out.end(), std::byte{0});
  return absl::OkStatus();
}

absl::Status PosixFile::Write(uint64_t offset, Bytes data, WriteMode mode) {
  BATON_RETURN_IF_ERROR(CheckAligned(offset, data));
  const int flags = mode == WriteMode::kDurable ? RWF_DSYNC : 0;
  while (!data.empty()) {
    const iovec piece = {const_cast<std::byte*>(data.data()), data.size()};
    const ssize_t put = Uninterrupted(
        [&] { return ::pwritev2(fd_.get(), &piece, 1, static_cast<off_t>(offset), flags); });
    if (put < 0) return Fail("write", errno);
    // Going on from inside a unit is impossible in direct I/O: repeat the part of it.
    const uint64_t whole =
        static_cast<uint64_t>(put) / alignment_.offset_bytes * alignment_.offset_bytes;
    if (whole == 0) return Fail("write", EIO);
    offset += whole;
    data = data.subspan(whole);
  }
  return absl::OkStatus();
}

absl::Status PosixFile::Sync() {
  if (Uninterrupted([&] { return ::fdatasync(fd_.get()); }) != 0) return Fail("sync", errno);
  return absl::OkStatus();
}

absl::Status PosixFile::PunchHole(uint64_t offset, uint64_t length_bytes) {
  if (length_bytes == 0) return absl::OkStatus();
  const int done = Uninterrupted([&] {
    return ::fallocate(fd_.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                       static_cast<off_t>(offset), static_cast<off_t>(length_bytes));
  });
  if (done == 0) return absl::OkStatus();
  if (errno == EOPNOTSUPP) return WriteZeros(offset, length_bytes);
  return Fail("punch a hole in", errno);
}

absl::Status PosixFile::ZeroRange(uint64_t offset, uint64_t length_bytes) {
  if (length_bytes == 0) return absl::OkStatus();
  const int done = Uninterrupted([&] {
    return ::fallocate(fd_.get(), FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE,
                       static_cast<off_t>(offset), static_cast<off_t>(length_bytes));
  });
  if (done == 0) return absl::OkStatus();
  if (errno != EOPNOTSUPP) return Fail("zero a range of", errno);
  const uint64_t end = offset + length_bytes;
  BATON_RETURN_IF_ERROR(Allocate(offset, length_bytes));
  for (uint64_t next = offset; next < end;) {
    BATON_ASSIGN_OR_RETURN(const std::optional<DataRange> data, NextData(next));
    if (!data || data->begin >= end) break;
    next = std::min(RoundUpToBlock(data->end), end);
    const uint64_t begin = std::max(RoundDownToBlock(data->begin), offset);
    BATON_RETURN_IF_ERROR(WriteZeros(begin, next - begin));
  }
  return absl::OkStatus();
}

// For file systems that cannot punch holes: the range reads as zeros, but its space stays taken.
absl::Status PosixFile::WriteZeros(uint64_t offset, uint64_t length_bytes) {
  BATON_ASSIGN_OR_RETURN(const uint64_t size_bytes, SizeBytes());
  const uint64_t end = std::min(offset + length_bytes, size_bytes);
  while (offset < end) {
    const uint64_t length = std::min<uint64_t>(end - offset, sizeof(kZeros));
    BATON_RETURN_IF_ERROR(Write(offset, Bytes(kZeros, length), WriteMode::kCached));
    offset += length;
  }
  return absl::OkStatus();
}

absl::Status PosixFile::Allocate(uint64_t offset, uint64_t length_bytes) {
  if (length_bytes == 0) return absl::OkStatus();
  const int done = Uninterrupted([&] {
    return ::fallocate(fd_.get(), 0, static_cast<off_t>(offset), static_cast<off_t>(length_bytes));
  });
  return done == 0 ? absl::OkStatus() : Fail("allocate", errno);
}

absl::Status PosixFile::Truncate(uint64_t size_bytes) {
  const int done =
      Uninterrupted([&] { return ::ftruncate(fd_.get(), static_cast<off_t>(size_bytes)); });
  return done == 0 ? absl::OkStatus() : Fail("truncate", errno);
}

// By what cannot cut: space for the last block. CephFS and others that have no fallocate get that
// block as zeros, over nothing, since it lies beyond the end.
absl::Status PosixFile::Grow(uint64_t size_bytes) {
  BATON_ASSIGN_OR_RETURN(const uint64_t now_bytes, SizeBytes());
  if (size_bytes <= now_bytes) return absl::OkStatus();
  const uint64_t last = size_bytes - limits::kBlockBytes;
  const absl::Status grown = Allocate(last, limits::kBlockBytes);
  if (!absl::IsUnimplemented(grown)) return grown;
  return Write(last, Bytes(kZeros, limits::kBlockBytes), WriteMode::kCached);
}

absl::StatusOr<uint64_t> PosixFile::SizeBytes() const {
  struct stat attributes = {};
  if (::fstat(fd_.get(), &attributes) != 0) return Fail("stat", errno);
  return static_cast<uint64_t>(attributes.st_size);
}

absl::StatusOr<uint64_t> PosixFile::AllocatedBytes() const {
  struct stat attributes = {};
  if (::fstat(fd_.get(), &attributes) != 0) return Fail("stat", errno);
  return static_cast<uint64_t>(attributes.st_blocks) * 512;  // POSIX: units of 512 bytes
}

absl::StatusOr<std::optional<DataRange>> PosixFile::NextData(uint64_t offset) const {
  // Between the two calls the data may be punched away: then look on from there.
  while (true) {
    const off_t begin = ::lseek(fd_.get(), static_cast<off_t>(offset), SEEK_DATA);
    if (begin < 0 && errno == ENXIO) return std::nullopt;
    if (begin < 0) return Fail("seek data in", errno);
    const off_t end = ::lseek(fd_.get(), begin, SEEK_HOLE);
    if (end < 0 && errno == ENXIO) return std::nullopt;
    if (end < 0) return Fail("seek a hole in", errno);
    if (end > begin) return DataRange{static_cast<uint64_t>(begin), static_cast<uint64_t>(end)};
    offset = static_cast<uint64_t>(end);
  }
}

}  // namespace baton
