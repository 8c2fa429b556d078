#include "engine/meta/fenced_file_system.h"

#include <utility>

#include "engine/base/status.h"

namespace baton {
namespace {

using rocksdb::DataVerificationInfo;
using rocksdb::FileOptions;
using rocksdb::FSRandomRWFile;
using rocksdb::FSWritableFile;
using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;

IOStatus Ask(const Fence& fence) {
  const absl::Status status = fence.Check();
  return status.ok() ? IOStatus::OK() : IOStatus::IOError("fenced", Message(status));
}

template <typename Operation>
IOStatus IfOpen(const Fence& fence, Operation operation) {
  IOStatus status = Ask(fence);
  return status.ok() ? operation() : status;
}

class FencedFile final : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  FencedFile(std::unique_ptr<FSWritableFile> file, const Fence& fence)
      : FSWritableFileOwnerWrapper(std::move(file)), fence_(fence) {}

  IOStatus Append(const Slice& data, const IOOptions& options, IODebugContext* debug) override {
    return IfOpen(fence_, [&] { return target()->Append(data, options, debug); });
  }
  IOStatus Append(const Slice& data, const IOOptions& options, const DataVerificationInfo& info,
                  IODebugContext* debug) override {
    return IfOpen(fence_, [&] { return target()->Append(data, options, info, debug); });
  }
  IOStatus PositionedAppend(const Slice& data, uint64_t offset, const IOOptions& options,
                            IODebugContext* debug) override {
    return IfOpen(fence_, [&] { return target()->PositionedAppend(data, offset, options, debug); });
  }
  IOStatus PositionedAppend(const Slice& data, uint64_t offset, const IOOptions& options,
                            const DataVerificationInfo& info, IODebugContext* debug) override {
    return IfOpen(fence_,
                  [&] { return target()->PositionedAppend(data, offset, options, info, debug); });
  }
  IOStatus Truncate(uint64_t size, const IOOptions& options, IODebugContext* debug) override {
    return IfOpen(fence_, [&] { return target()->Truncate(size, options, debug); });
  }
  IOStatus Allocate(uint64_t offset, uint64_t length, const IOOptions& options,
                    IODebugContext* debug) override {
    return IfOpen(fence_, [&] { return target()->Allocate(offset, length, options, debug); });
  }
  IOStatus Flush(const IOOptions& options, IODebugContext* debug) override {
    return IfOpen(fence_, [&] { return target()->Flush(options, debug); });
  }
  IOStatus Sync(const IOOptions& options, IODebugContext* debug) override {
    return AndStillOpen(IfOpen(fence_, [&] { return target()->Sync(options, debug); }));
  }
  IOStatus Fsync(const IOOptions& options, IODebugContext* debug) override {
    return AndStillOpen(IfOpen(fence_, [&] { return target()->Fsync(options, debug); }));
  }

 private:
  IOStatus AndStillOpen(IOStatus status) const { return status.ok() ? Ask(fence_) : status; }

  const Fence& fence_;
};

// Opens a file by `open` and puts the fence in front of it.
template <typename Open>
IOStatus OpenFenced(const Fence& fence, std::unique_ptr<FSWritableFile>* file, Open open) {
  std::unique_ptr<FSWritableFile> plain;
  const IOStatus status = IfOpen(fence, [&] { return open(&plain); });
  if (status.ok()) *file = std::make_unique<FencedFile>(std::move(plain), fence);
  return status;
}

}  // namespace

IOStatus FencedFileSystem::NewWritableFile(const std::string& path, const FileOptions& options,
                                           std::unique_ptr<FSWritableFile>* file,
                                           IODebugContext* debug) {
  return OpenFenced(fence_, file, [&](std::unique_ptr<FSWritableFile>* plain) {
    return target()->NewWritableFile(path, options, plain, debug);
  });
}

IOStatus FencedFileSystem::ReopenWritableFile(const std::string& path, const FileOptions& options,
                                              std::unique_ptr<FSWritableFile>* file,
                                              IODebugContext* debug) {
  return OpenFenced(fence_, file, [&](std::unique_ptr<FSWritableFile>* plain) {
    return target()->ReopenWritableFile(path, options, plain, debug);
  });
}

IOStatus FencedFileSystem::ReuseWritableFile(const std::string& path, const std::string& old_path,
                                             const FileOptions& options,
                                             std::unique_ptr<FSWritableFile>* file,
                                             IODebugContext* debug) {
  return OpenFenced(fence_, file, [&](std::unique_ptr<FSWritableFile>* plain) {
    return target()->ReuseWritableFile(path, old_path, options, plain, debug);
  });
}

// RocksDB writes its own files in sequence only; such a file would not be fenced.
IOStatus FencedFileSystem::NewRandomRWFile(const std::string&, const FileOptions&,
                                           std::unique_ptr<FSRandomRWFile>*, IODebugContext*) {
  return IOStatus::NotSupported("random writes are not fenced");
}

IOStatus FencedFileSystem::DeleteFile(const std::string& path, const IOOptions& options,
                                      IODebugContext* debug) {
  return IfOpen(fence_, [&] { return target()->DeleteFile(path, options, debug); });
}

IOStatus FencedFileSystem::Truncate(const std::string& path, size_t size_bytes,
                                    const IOOptions& options, IODebugContext* debug) {
  return IfOpen(fence_, [&] { return target()->Truncate(path, size_bytes, options, debug); });
}

IOStatus FencedFileSystem::CreateDir(const std::string& path, const IOOptions& options,
                                     IODebugContext* debug) {
  return IfOpen(fence_, [&] { return target()->CreateDir(path, options, debug); });
}

IOStatus FencedFileSystem::CreateDirIfMissing(const std::string& path, const IOOptions& options,
                                              IODebugContext* debug) {
  return IfOpen(fence_, [&] { return target()->CreateDirIfMissing(path, options, debug); });
}

IOStatus FencedFileSystem::DeleteDir(const std::string& path, const IOOptions& options,
                                     IODebugContext* debug) {
  return IfOpen(fence_, [&] { return target()->DeleteDir(path, options, debug); });
}

IOStatus FencedFileSystem::RenameFile(const std::string& from, const std::string& to,
                                      const IOOptions& options, IODebugContext* debug) {
  return IfOpen(fence_, [&] { return target()->RenameFile(from, to, options, debug); });
}

IOStatus FencedFileSystem::LinkFile(const std::string& from, const std::string& to,
                                    const IOOptions& options, IODebugContext* debug) {
  return IfOpen(fence_, [&] { return target()->LinkFile(from, to, options, debug); });
}

}  // namespace baton
