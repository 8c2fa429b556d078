#include "engine/meta/fenced_file_system.h"

#include <future>
#include <utility>
#include <vector>

#include "engine/base/signals_blocked.h"
#include "engine/base/status.h"

namespace baton {
namespace {

using rocksdb::DataVerificationInfo;
using rocksdb::DirFsyncOptions;
using rocksdb::FileOptions;
using rocksdb::FSDirectory;
using rocksdb::FSRandomRWFile;
using rocksdb::FSWritableFile;
using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;

constexpr char kTableSuffix[] = ".sst";

IOStatus Ask(const Fence& fence) {
  const absl::Status status = fence.Check();
  return status.ok() ? IOStatus::OK() : IOStatus::IOError("fenced", Message(status));
}

template <typename Operation>
IOStatus IfOpen(const Fence& fence, Operation operation) {
  IOStatus status = Ask(fence);
  return status.ok() ? operation() : status;
}

}  // namespace

class FencedFile final : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  FencedFile(std::unique_ptr<FSWritableFile> file, FencedFileSystem& owner, std::string path)
      : FSWritableFileOwnerWrapper(std::move(file)),
        owner_(owner),
        fence_(owner.fence_),
        path_(std::move(path)) {}

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
    return SyncBy([&] { return target()->Sync(options, debug); });
  }
  IOStatus Fsync(const IOOptions& options, IODebugContext* debug) override {
    return SyncBy([&] { return target()->Fsync(options, debug); });
  }

 private:
  template <typename Operation>
  IOStatus SyncBy(Operation sync) {
    IOStatus status =
        IfOpen(fence_, [&] { return owner_.PutsOff(path_) ? IOStatus::OK() : sync(); });
    return status.ok() ? Ask(fence_) : status;
  }

  FencedFileSystem& owner_;
  const Fence& fence_;
  const std::string path_;
};

class FencedDirectory final : public rocksdb::FSDirectoryWrapper {
 public:
  FencedDirectory(std::unique_ptr<FSDirectory> directory, FencedFileSystem& owner, std::string path)
      : FSDirectoryWrapper(std::move(directory)), owner_(owner), path_(std::move(path)) {}

  IOStatus Fsync(const IOOptions& options, IODebugContext* debug) override {
    return owner_.PutsOff(path_) ? IOStatus::OK() : FSDirectoryWrapper::Fsync(options, debug);
  }
  IOStatus FsyncWithDirOptions(const IOOptions& options, IODebugContext* debug,
                               const DirFsyncOptions& why) override {
    return owner_.PutsOff(path_) ? IOStatus::OK()
                                 : FSDirectoryWrapper::FsyncWithDirOptions(options, debug, why);
  }

 private:
  FencedFileSystem& owner_;
  const std::string path_;
};

// ---- syncs that are put off ----

void FencedFileSystem::PutOffSyncs() {
  const absl::MutexLock lock(&mutex_);
  putting_off_ = true;
}

bool FencedFileSystem::PutsOff(const std::string& path) {
  const absl::MutexLock lock(&mutex_);
  if (putting_off_ && path.ends_with(kTableSuffix)) tables_.insert(path);
  return putting_off_;
}

IOStatus FencedFileSystem::CatchUpWithTables() {
  Paths tables;
  {
    const absl::MutexLock lock(&mutex_);
    putting_off_ = false;
    tables.swap(tables_);
  }
  // Each in a thread, where there can be one.
  constexpr auto kBesideOthers = std::launch::async | std::launch::deferred;
  const SignalsBlocked blocked;
  std::vector<std::future<IOStatus>> results;
  for (const std::string& path : tables) {
    results.push_back(std::async(kBesideOthers, [this, path] { return SyncTable(path); }));
  }
  IOStatus status;
  for (std::future<IOStatus>& result : results) {
    IOStatus synced = result.get();
    if (status.ok()) status = synced;
  }
  return status.ok() ? Ask(fence_) : status;
}

// One that was compacted away meanwhile need not be synced.
IOStatus FencedFileSystem::SyncTable(const std::string& path) {
  std::unique_ptr<FSRandomRWFile> file;
  const IOStatus status = target()->NewRandomRWFile(path, FileOptions(), &file, nullptr);
  if (status.IsPathNotFound()) return IOStatus::OK();
  if (!status.ok()) return status;
  return IfOpen(fence_, [&] { return file->Sync(IOOptions(), nullptr); });
}

// ---- what RocksDB calls ----

// Opens a file by `open` and puts the fence in front of it.
template <typename Open>
IOStatus FencedFileSystem::OpenFenced(const std::string& path,
                                      std::unique_ptr<FSWritableFile>* file, Open open) {
  std::unique_ptr<FSWritableFile> plain;
  IOStatus status = IfOpen(fence_, [&] { return open(&plain); });
  if (status.ok()) *file = std::make_unique<FencedFile>(std::move(plain), *this, path);
  return status;
}

IOStatus FencedFileSystem::NewWritableFile(const std::string& path, const FileOptions& options,
                                           std::unique_ptr<FSWritableFile>* file,
                                           IODebugContext* debug) {
  return OpenFenced(path, file, [&](std::unique_ptr<FSWritableFile>* plain) {
    return target()->NewWritableFile(path, options, plain, debug);
  });
}

IOStatus FencedFileSystem::ReopenWritableFile(const std::string& path, const FileOptions& options,
                                              std::unique_ptr<FSWritableFile>* file,
                                              IODebugContext* debug) {
  return OpenFenced(path, file, [&](std::unique_ptr<FSWritableFile>* plain) {
    return target()->ReopenWritableFile(path, options, plain, debug);
  });
}

IOStatus FencedFileSystem::ReuseWritableFile(const std::string& path, const std::string& old_path,
                                             const FileOptions& options,
                                             std::unique_ptr<FSWritableFile>* file,
                                             IODebugContext* debug) {
  return OpenFenced(path, file, [&](std::unique_ptr<FSWritableFile>* plain) {
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

IOStatus FencedFileSystem::NewDirectory(const std::string& path, const IOOptions& options,
                                        std::unique_ptr<FSDirectory>* directory,
                                        IODebugContext* debug) {
  std::unique_ptr<FSDirectory> plain;
  IOStatus status = target()->NewDirectory(path, options, &plain, debug);
  if (status.ok()) *directory = std::make_unique<FencedDirectory>(std::move(plain), *this, path);
  return status;
}

IOStatus FencedFileSystem::LinkFile(const std::string& from, const std::string& to,
                                    const IOOptions& options, IODebugContext* debug) {
  return IfOpen(fence_, [&] { return target()->LinkFile(from, to, options, debug); });
}

}  // namespace baton
