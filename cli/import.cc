#include "cli/import.h"

#include <absl/base/thread_annotations.h>
#include <absl/synchronization/mutex.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "engine/base/bytes.h"
#include "engine/base/errno_status.h"
#include "engine/base/limits.h"
#include "engine/base/names.h"
#include "engine/base/status.h"
#include "engine/base/storage.h"

namespace baton {
namespace {

constexpr uint64_t kImportChunkBytes = limits::kMaxRequestBytes;
constexpr int kImportThreads = 4;

constexpr uint64_t AlignUp(uint64_t bytes) {
  return (bytes + limits::kBlockBytes - 1) / limits::kBlockBytes * limits::kBlockBytes;
}
constexpr uint64_t AlignDown(uint64_t bytes) {
  return bytes / limits::kBlockBytes * limits::kBlockBytes;
}

struct Free {
  void operator()(std::byte* memory) const { std::free(memory); }
};

bool IsZero(Bytes data) {
  return data[0] == std::byte{0} && std::memcmp(data.data(), &data[1], data.size() - 1) == 0;
}

int64_t ModifiedNs(const struct stat& status) {
  return int64_t{status.st_mtim.tv_sec} * 1'000'000'000 + status.st_mtim.tv_nsec;
}

absl::Status CheckImportSize(const std::string& path, uint64_t size_bytes) {
  if (size_bytes > 0 && size_bytes % limits::kBlockBytes != 0) {
    return Error(absl::StatusCode::kInvalidArgument,
                 "{} has {} bytes, not a multiple of {}; pad a copy of it: truncate -s {} COPY",
                 path, size_bytes, FormatSize(limits::kBlockBytes), AlignUp(size_bytes));
  }
  return Annotate(CheckVolumeSize(size_bytes), path);
}

class Copy {
 public:
  Copy(const ImportSource& source, int volume, const std::string& volume_path,
       const std::function<bool(uint64_t)>& progress)
      : source_(source), volume_(volume), volume_path_(volume_path), progress_(progress) {}

  absl::Status Run() {
    std::vector<std::thread> threads;
    for (int i = 0; i < kImportThreads; ++i) threads.emplace_back([this] { Work(); });
    for (std::thread& thread : threads) thread.join();
    absl::MutexLock guard(&mutex_);
    return failure_;
  }

 private:
  void Work();
  std::optional<DataRange> NextChunk() ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status FindData() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status CopyChunk(DataRange chunk, std::byte* buffer);
  absl::Status Read(DataRange chunk, std::byte* buffer);
  absl::Status Write(DataRange chunk, const std::byte* buffer);

  const ImportSource& source_;
  const int volume_;
  const std::string& volume_path_;
  const std::function<bool(uint64_t)>& progress_;

  absl::Mutex mutex_;
  DataRange data_ ABSL_GUARDED_BY(mutex_);  // what is left of the range that is being copied
  absl::Status failure_ ABSL_GUARDED_BY(mutex_);
};

void Copy::Work() {
  const std::unique_ptr<std::byte, Free> buffer(
      static_cast<std::byte*>(std::aligned_alloc(limits::kBlockBytes, kImportChunkBytes)));
  while (const std::optional<DataRange> chunk = NextChunk()) {
    const absl::Status status = CopyChunk(*chunk, buffer.get());
    if (status.ok()) continue;
    absl::MutexLock guard(&mutex_);
    failure_.Update(status);
    return;
  }
}

std::optional<DataRange> Copy::NextChunk() {
  absl::MutexLock guard(&mutex_);
  if (failure_.ok()) failure_ = FindData();
  if (!failure_.ok() || data_.begin == data_.end) return std::nullopt;
  const DataRange chunk{data_.begin, std::min(data_.end, data_.begin + kImportChunkBytes)};
  data_.begin = chunk.end;
  if (!progress_(chunk.begin)) {
    failure_ = Error(absl::StatusCode::kCancelled, "interrupted");
    return std::nullopt;
  }
  return chunk;
}

// Leaves data_ empty when there is none any more.
absl::Status Copy::FindData() {
  if (data_.begin < data_.end || data_.end >= source_.size_bytes) return absl::OkStatus();
  const int fd = source_.fd.get();
  const off_t begin = ::lseek(fd, static_cast<off_t>(data_.end), SEEK_DATA);
  if (begin < 0 && errno == ENXIO) {
    data_ = {source_.size_bytes, source_.size_bytes};
    return absl::OkStatus();
  }
  if (begin < 0 && errno == EINVAL) {  // it cannot tell: all of it is data
    data_ = {data_.end, source_.size_bytes};
    return absl::OkStatus();
  }
  const off_t end = begin < 0 ? begin : ::lseek(fd, begin, SEEK_HOLE);
  if (end < 0) return ErrnoStatus(errno, "look for data in", source_.path);
  data_ = {AlignDown(static_cast<uint64_t>(begin)),
           std::min(AlignUp(static_cast<uint64_t>(end)), source_.size_bytes)};
  return absl::OkStatus();
}

absl::Status Copy::CopyChunk(DataRange chunk, std::byte* buffer) {
  BATON_RETURN_IF_ERROR(Read(chunk, buffer));
  if (IsZero(Bytes(buffer, chunk.end - chunk.begin))) return absl::OkStatus();
  return Write(chunk, buffer);
}

absl::Status Copy::Read(DataRange chunk, std::byte* buffer) {
  while (chunk.begin < chunk.end) {
    const ssize_t count =
        ::pread(source_.fd.get(), buffer, chunk.end - chunk.begin, static_cast<off_t>(chunk.begin));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return ErrnoStatus(errno, "read", source_.path);
    if (count == 0) {
      return Error(absl::StatusCode::kFailedPrecondition, "{} became shorter while it was read",
                   source_.path);
    }
    buffer += count;
    chunk.begin += static_cast<uint64_t>(count);
  }
  return absl::OkStatus();
}

absl::Status Copy::Write(DataRange chunk, const std::byte* buffer) {
  while (chunk.begin < chunk.end) {
    const ssize_t count =
        ::pwrite(volume_, buffer, chunk.end - chunk.begin, static_cast<off_t>(chunk.begin));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return ErrnoStatus(errno, "write", volume_path_);
    buffer += count;
    chunk.begin += static_cast<uint64_t>(count);
  }
  return absl::OkStatus();
}

absl::StatusOr<UniqueFd> OpenVolumeFile(const std::string& path) {
  UniqueFd fd(::open(path.c_str(), O_WRONLY | O_DIRECT | O_CLOEXEC));
  if (!fd.valid() && errno == EINVAL) fd = UniqueFd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd.valid()) return ErrnoStatus(errno, "open", path);
  return fd;
}

absl::Status CheckUnchanged(const ImportSource& source) {
  struct stat status;
  if (::fstat(source.fd.get(), &status) != 0) return ErrnoStatus(errno, "examine", source.path);
  if (ModifiedNs(status) == source.modified_ns) return absl::OkStatus();
  return Error(absl::StatusCode::kFailedPrecondition,
               "{} was changed while it was read; stop what writes to it and try again",
               source.path);
}

}  // namespace

absl::StatusOr<ImportSource> OpenImportSource(const std::string& path) {
  ImportSource source;
  source.path = path;
  // Nonblocking: opening a pipe would wait for its other end.
  source.fd = UniqueFd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!source.fd.valid()) return ErrnoStatus(errno, "open", path);
  struct stat status;
  if (::fstat(source.fd.get(), &status) != 0) return ErrnoStatus(errno, "examine", path);
  if (!S_ISREG(status.st_mode) && !S_ISBLK(status.st_mode)) {
    return Error(absl::StatusCode::kInvalidArgument, "{} is neither a file nor a block device",
                 path);
  }
  const off_t size = ::lseek(source.fd.get(), 0, SEEK_END);
  if (size < 0) return ErrnoStatus(errno, "measure", path);
  source.size_bytes = static_cast<uint64_t>(size);
  source.modified_ns = ModifiedNs(status);
  BATON_RETURN_IF_ERROR(CheckImportSize(path, source.size_bytes));
  ::posix_fadvise(source.fd.get(), 0, 0, POSIX_FADV_SEQUENTIAL);
  return source;
}

absl::Status CopyIntoVolume(const ImportSource& source, const std::string& volume_path,
                            const std::function<bool(uint64_t)>& progress) {
  BATON_ASSIGN_OR_RETURN(const UniqueFd volume, OpenVolumeFile(volume_path));
  BATON_RETURN_IF_ERROR(Copy(source, volume.get(), volume_path, progress).Run());
  if (::fsync(volume.get()) != 0) return ErrnoStatus(errno, "sync", volume_path);
  return CheckUnchanged(source);
}

}  // namespace baton
