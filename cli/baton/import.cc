#include "cli/baton/import.h"

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
#include <string_view>
#include <thread>
#include <vector>

#include "cli/baton/child_program.h"
#include "cli/baton/qemu_convert.h"
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
constexpr uint64_t kSectorBytes = 512;
constexpr size_t kSignatureBytes = 4096;

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

// Sectors are 512 bytes: what is no multiple of that is no disk.
absl::StatusOr<uint64_t> PaddedSize(const std::string& path, uint64_t size_bytes) {
  if (size_bytes % kSectorBytes != 0) {
    return Error(absl::StatusCode::kInvalidArgument,
                 "{} has {} bytes, not a multiple of {}: is it a disk? If so pad a copy of it: "
                 "truncate -s {} COPY",
                 path, size_bytes, kSectorBytes, AlignUp(size_bytes));
  }
  const uint64_t padded = AlignUp(size_bytes);
  BATON_RETURN_IF_ERROR(Annotate(CheckVolumeSize(padded), path));
  return padded;
}

// `length_bytes` of data, then zeros to the end of the block.
absl::Status WriteChunk(int volume, const std::string& volume_path, uint64_t offset,
                        std::byte* buffer, uint64_t length_bytes) {
  const uint64_t padded = AlignUp(length_bytes);
  std::memset(buffer + length_bytes, 0, padded - length_bytes);
  if (IsZero(Bytes(buffer, padded))) return absl::OkStatus();
  for (uint64_t done = 0; done < padded;) {
    const ssize_t count =
        ::pwrite(volume, buffer + done, padded - done, static_cast<off_t>(offset + done));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return ErrnoStatus(errno, "write", volume_path);
    done += static_cast<uint64_t>(count);
  }
  return absl::OkStatus();
}

using ChunkBuffer = std::unique_ptr<std::byte, Free>;

ChunkBuffer MakeChunkBuffer() {
  return ChunkBuffer(
      static_cast<std::byte*>(std::aligned_alloc(limits::kBlockBytes, kImportChunkBytes)));
}

absl::Status InterruptedImport() { return Error(absl::StatusCode::kCancelled, "interrupted"); }

class Copy {
 public:
  Copy(const ImportSource& source, int volume, const std::string& volume_path,
       const CopyProgress& progress)
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

  const ImportSource& source_;
  const int volume_;
  const std::string& volume_path_;
  const CopyProgress& progress_;

  absl::Mutex mutex_;
  DataRange data_ ABSL_GUARDED_BY(mutex_);  // what is left of the range that is being copied
  absl::Status failure_ ABSL_GUARDED_BY(mutex_);
};

void Copy::Work() {
  const ChunkBuffer buffer = MakeChunkBuffer();
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
    failure_ = InterruptedImport();
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
  return WriteChunk(volume_, volume_path_, chunk.begin, buffer, chunk.end - chunk.begin);
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

absl::StatusOr<UniqueFd> OpenVolumeFile(const std::string& path) {
  UniqueFd fd(::open(path.c_str(), O_WRONLY | O_DIRECT | O_CLOEXEC));
  if (!fd.valid() && errno == EINVAL) fd = UniqueFd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd.valid()) return ErrnoStatus(errno, "open", path);
  return fd;
}

absl::StatusOr<std::string> ReadPart(const ImportSource& source, uint64_t offset) {
  std::string part(kSignatureBytes, '\0');
  const ssize_t count =
      ::pread(source.fd.get(), part.data(), part.size(), static_cast<off_t>(offset));
  if (count < 0) return ErrnoStatus(errno, "read", source.path);
  part.resize(static_cast<size_t>(count));
  return part;
}

absl::StatusOr<ImageFormat> RecogniseSource(const ImportSource& source, uint64_t file_bytes) {
  BATON_ASSIGN_OR_RETURN(const std::string head, ReadPart(source, 0));
  BATON_ASSIGN_OR_RETURN(
      const std::string tail,
      ReadPart(source, file_bytes - std::min<uint64_t>(file_bytes, kSignatureBytes)));
  return RecogniseImage(head, tail);
}

absl::StatusOr<std::unique_ptr<ChildProgram>> Unpack(const ImportSource& source) {
  absl::StatusOr<std::unique_ptr<ChildProgram>> program =
      ChildProgram::Start({source.format.reader, "-dc"}, source.fd.get());
  if (program.ok()) return program;
  return Annotate(program.status(), fmt::format("{} is {}", source.path, source.format.name));
}

// A chunk, or less at the end of what is unpacked.
absl::StatusOr<uint64_t> ReadChunk(ChildProgram& program, std::byte* buffer) {
  uint64_t length = 0;
  while (length < kImportChunkBytes) {
    BATON_ASSIGN_OR_RETURN(
        const size_t count,
        program.Read(reinterpret_cast<char*>(buffer) + length, kImportChunkBytes - length));
    if (count == 0) break;
    length += count;
  }
  return length;
}

// What is inside may be another format: that cannot be read from a pipe.
absl::Status CheckUnpacked(const ImportSource& source, std::string_view head) {
  const ImageFormat inside = RecogniseImage(head, "");
  if (inside.kind == ImageFormat::Kind::kRaw) return absl::OkStatus();
  return Error(absl::StatusCode::kInvalidArgument,
               "{0} is {1}, and what is inside is {2}: unpack it first ({3} -dk {0})", source.path,
               source.format.name, inside.name, source.format.reader);
}

absl::StatusOr<uint64_t> MeasurePacked(const ImportSource& source) {
  const ChunkBuffer buffer = MakeChunkBuffer();
  BATON_ASSIGN_OR_RETURN(const auto program, Unpack(source));
  uint64_t size_bytes = 0;
  while (true) {
    BATON_ASSIGN_OR_RETURN(const uint64_t length, ReadChunk(*program, buffer.get()));
    if (size_bytes == 0) {
      const auto* head = reinterpret_cast<const char*>(buffer.get());
      BATON_RETURN_IF_ERROR(CheckUnpacked(source, {head, std::min(length, kSignatureBytes)}));
    }
    size_bytes += length;
    if (length < kImportChunkBytes) break;
  }
  BATON_RETURN_IF_ERROR(Annotate(program->Finish(), source.path));
  return size_bytes;
}

absl::Status CopyPacked(const ImportSource& source, int volume, const std::string& volume_path,
                        const CopyProgress& progress) {
  const ChunkBuffer buffer = MakeChunkBuffer();
  BATON_ASSIGN_OR_RETURN(const auto program, Unpack(source));
  uint64_t done = 0;
  while (done < source.size_bytes) {
    BATON_ASSIGN_OR_RETURN(const uint64_t length, ReadChunk(*program, buffer.get()));
    if (!progress(done)) return InterruptedImport();
    if (length == 0) break;
    BATON_RETURN_IF_ERROR(WriteChunk(volume, volume_path, done, buffer.get(), length));
    done += length;
  }
  return Annotate(program->Finish(), source.path);
}

// The disk is read by qemu-img, which leaves out what is zeros.
absl::Status CopyDisk(const ImportSource& source, const std::string& volume_path,
                      const CopyProgress& progress) {
  return QemuConvert({"-n", "--target-is-zero", "-f", source.format.reader, "-O", "raw",
                      ChildProgram::kInputPath, volume_path},
                     source.fd.get(), source.path, source.size_bytes, progress);
}

absl::StatusOr<uint64_t> MeasureSource(const ImportSource& source, uint64_t file_bytes) {
  switch (source.format.kind) {
    case ImageFormat::Kind::kRaw:
      return file_bytes;
    case ImageFormat::Kind::kDisk:
      return MeasureDisk(source.format, source.fd.get(), source.path);
    case ImageFormat::Kind::kPacked:
      return MeasurePacked(source);
    case ImageFormat::Kind::kDescription:
      break;
  }
  return Error(absl::StatusCode::kInvalidArgument,
               "{0} is {1}, the disk is in other files; make one image of it: qemu-img convert -O "
               "raw {0} COPY",
               source.path, source.format.name);
}

// What is still to be written by the file system may look like a hole.
absl::Status SyncSource(const ImportSource& source) {
  if (::fsync(source.fd.get()) == 0 || errno == EINVAL || errno == EROFS) return absl::OkStatus();
  return ErrnoStatus(errno, "sync", source.path);
}

absl::Status CopyDataInto(const ImportSource& source, int volume, const std::string& volume_path,
                          const CopyProgress& progress) {
  switch (source.format.kind) {
    case ImageFormat::Kind::kDisk:
      return CopyDisk(source, volume_path, progress);
    case ImageFormat::Kind::kPacked:
      return CopyPacked(source, volume, volume_path, progress);
    case ImageFormat::Kind::kRaw:
    case ImageFormat::Kind::kDescription:
      break;
  }
  BATON_RETURN_IF_ERROR(SyncSource(source));
  return Copy(source, volume, volume_path, progress).Run();
}

}  // namespace

absl::StatusOr<ImportSource> OpenImportSource(const std::string& path, ImportAs as) {
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
  source.modified_ns = ModifiedNs(status);
  ::posix_fadvise(source.fd.get(), 0, 0, POSIX_FADV_SEQUENTIAL);
  const auto file_bytes = static_cast<uint64_t>(size);
  if (as == ImportAs::kRecognised) {
    BATON_ASSIGN_OR_RETURN(source.format, RecogniseSource(source, file_bytes));
  }
  BATON_ASSIGN_OR_RETURN(source.size_bytes, MeasureSource(source, file_bytes));
  BATON_ASSIGN_OR_RETURN(source.volume_bytes, PaddedSize(path, source.size_bytes));
  return source;
}

absl::Status CheckUnchanged(const ImportSource& source) {
  if (source.may_change) return absl::OkStatus();
  struct stat status;
  if (::fstat(source.fd.get(), &status) != 0) return ErrnoStatus(errno, "examine", source.path);
  if (ModifiedNs(status) == source.modified_ns) return absl::OkStatus();
  return Error(absl::StatusCode::kFailedPrecondition,
               "{} was changed while it was read; stop what writes to it and try again",
               source.path);
}

absl::Status CopyIntoVolume(const ImportSource& source, const std::string& volume_path,
                            const CopyProgress& progress) {
  BATON_ASSIGN_OR_RETURN(const UniqueFd volume, OpenVolumeFile(volume_path));
  BATON_RETURN_IF_ERROR(CopyDataInto(source, volume.get(), volume_path, progress));
  if (::fsync(volume.get()) != 0) return ErrnoStatus(errno, "sync", volume_path);
  return CheckUnchanged(source);
}

}  // namespace baton
