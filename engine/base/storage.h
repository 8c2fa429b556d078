// Files and directories of a pool, as the engine sees them. Production: PosixStorage
// (posix_storage.h). Tests: a simulated disk that keeps, drops and tears what was not synced.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/base/bytes.h"

namespace baton {

// What a direct read or write of a file must be aligned to, asked of the file (statx, DIOALIGN).
struct IoAlignment {
  uint32_t offset_bytes = 1;  // offset and length
  uint32_t memory_bytes = 1;  // buffer address
};

enum class WriteMode {
  kCached,   // left this node when the file was opened direct; durable after the next Sync
  kDurable,  // durable when the call returns (O_DSYNC)
};

// Half-open range of bytes of a file that holds data (not a hole).
struct DataRange {
  uint64_t begin = 0;
  uint64_t end = 0;
};

// One open file. Thread-safe. Reads and writes are positional and whole: a short transfer is
// continued inside, and reading beyond the end yields zeros. A file opened `direct` takes only
// offsets, lengths and addresses that satisfy alignment().
class File {
 public:
  virtual ~File() = default;

  virtual absl::Status Read(uint64_t offset, MutableBytes out) const = 0;
  virtual absl::Status Write(uint64_t offset, Bytes data, WriteMode mode) = 0;

  // Everything written before the call is durable when it returns OK. After an error nothing
  // that was written since the last OK may be believed: callers stop, they never retry.
  virtual absl::Status Sync() = 0;

  // Deallocates; the range reads as zeros, the size stays. Offset and length in multiples of 4 KiB.
  virtual absl::Status PunchHole(uint64_t offset, uint64_t length_bytes) = 0;
  // The range reads as zeros and keeps its space, or gets what it has none of; the size stays.
  // Offset and length in multiples of 4 KiB, inside the file. After an error its bytes are zeros or
  // what they were, and its space is not less. Where the file system cannot do it in place, what
  // holds data is overwritten.
  virtual absl::Status ZeroRange(uint64_t offset, uint64_t length_bytes) = 0;
  // Reserves space for the range; bytes already there stay, new ones read as zeros.
  virtual absl::Status Allocate(uint64_t offset, uint64_t length_bytes) = 0;
  virtual absl::Status Truncate(uint64_t size_bytes) = 0;
  // Makes it that long and never shorter, whatever its size has become meanwhile: what is new reads
  // as zeros and takes one block of space at most. A multiple of 4 KiB, as the size is.
  virtual absl::Status Grow(uint64_t size_bytes) = 0;

  virtual absl::StatusOr<uint64_t> SizeBytes() const = 0;
  virtual absl::StatusOr<uint64_t> AllocatedBytes() const = 0;
  // The first range with data at or after `offset`; nullopt when there is none before the end.
  virtual absl::StatusOr<std::optional<DataRange>> NextData(uint64_t offset) const = 0;

  virtual IoAlignment alignment() const = 0;
};

// It goes past the page cache: direct I/O is always aligned to something.
inline bool IsDirect(const File& file) { return file.alignment().offset_bytes > 1; }

// One of several writes that are issued together.
struct SideWrite {
  File* file = nullptr;
  uint64_t offset = 0;
  Bytes data;
};

struct OpenOptions {
  bool create = false;     // make it when it is not there
  bool exclusive = false;  // with create: AlreadyExists when it is there
  bool direct = false;     // O_DIRECT where the file system has it, else ordinary
  bool read_only = false;
  // The last descriptors of the process are not for it (limits::kDescriptorReserve, or half of a
  // small limit): it is refused then with IsOutOfDescriptors, and nothing is made.
  bool leave_reserve = false;
};

// A directory tree. Paths are relative to its root, with '/' between components, and never leave
// it: no "..", no absolute path, no symbolic link is followed. Thread-safe.
// NotFound and AlreadyExists mean what they say; ResourceExhausted is a full storage.
class Storage {
 public:
  virtual ~Storage() = default;

  virtual absl::StatusOr<std::unique_ptr<File>> Open(const std::string& path,
                                                     OpenOptions options) = 0;
  virtual absl::Status MakeDirectory(const std::string& path) = 0;
  // Names in the directory, sorted, without "." and "..". As the storage has them now, not as this
  // node may remember them: what another node has made is there.
  virtual absl::StatusOr<std::vector<std::string>> List(const std::string& path) const = 0;
  virtual absl::StatusOr<bool> Exists(const std::string& path) const = 0;
  virtual absl::Status Rename(const std::string& from, const std::string& to) = 0;
  // As Rename, but AlreadyExists when `to` is there. Atomic where the file system can do that;
  // where it cannot (NFS, CephFS), only a name that appears at the same moment is replaced.
  virtual absl::Status RenameToFree(const std::string& from, const std::string& to) = 0;
  // Hard link; AlreadyExists when `to` is there: the exclusive create of a complete file.
  virtual absl::Status Link(const std::string& from, const std::string& to) = 0;
  virtual absl::Status Remove(const std::string& path) = 0;  // a file or an empty directory
  // Names made, renamed or removed in the directory are durable when this returns OK.
  virtual absl::Status SyncDirectory(const std::string& path) = 0;

  // Issues all writes at once, each durable (O_DSYNC), and waits for all. Never io_uring: such a
  // write can land after the process has been reaped. An error: any of them may have happened.
  virtual absl::Status WriteSideBySide(std::span<const SideWrite> writes) = 0;

  virtual absl::StatusOr<uint64_t> FreeBytes() const = 0;
  virtual absl::StatusOr<uint64_t> TotalBytes() const = 0;

  // Once a process is reaped, none of its writes is on its way any more. False where the kernel or
  // a server may still hold one (NFS and other network file systems), and where that is not known.
  virtual bool WritesEndWithProcess() const = 0;
};

}  // namespace baton
