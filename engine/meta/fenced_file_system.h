// A file system of RocksDB that changes nothing once the fence refuses. Included by rocks_store.cc
// alone, and by its test.
#pragma once

#include <absl/base/thread_annotations.h>
#include <absl/synchronization/mutex.h>
#include <rocksdb/file_system.h>

#include <memory>
#include <set>
#include <string>

#include "engine/base/fence.h"

namespace baton {

// Asks the fence before each operation that changes a file or a name, and after each sync. RocksDB
// takes the first refusal for an I/O error and stays failed; reads go on. Thread-safe.
//
// A thread that is stopped between the check and the operation is not covered; that is what the
// kill timer of the lease and the epoch directories are for.
class FencedFileSystem final : public rocksdb::FileSystemWrapper {
 public:
  // `fence` is borrowed and outlives every file that was opened through this.
  FencedFileSystem(const std::shared_ptr<rocksdb::FileSystem>& target, const Fence& fence)
      : FileSystemWrapper(target), fence_(fence) {}

  const char* Name() const override { return "baton.fenced"; }

  // From here on nothing is synced when RocksDB wants it: for a store that nobody believes yet,
  // whatever a crash leaves of it.
  void PutOffSyncs();
  // Syncs the tables that were made since and are still there, several at a time: each is a wait.
  // All else, and the directory, is left to whoever makes it count. From here on syncs are what
  // they say.
  rocksdb::IOStatus CatchUpWithTables();

  rocksdb::IOStatus NewWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSWritableFile>* file,
                                    rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus ReopenWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                                       std::unique_ptr<rocksdb::FSWritableFile>* file,
                                       rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus ReuseWritableFile(const std::string& path, const std::string& old_path,
                                      const rocksdb::FileOptions& options,
                                      std::unique_ptr<rocksdb::FSWritableFile>* file,
                                      rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus NewRandomRWFile(const std::string& path, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSRandomRWFile>* file,
                                    rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus DeleteFile(const std::string& path, const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus Truncate(const std::string& path, size_t size_bytes,
                             const rocksdb::IOOptions& options,
                             rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus CreateDir(const std::string& path, const rocksdb::IOOptions& options,
                              rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus CreateDirIfMissing(const std::string& path, const rocksdb::IOOptions& options,
                                       rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus DeleteDir(const std::string& path, const rocksdb::IOOptions& options,
                              rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus RenameFile(const std::string& from, const std::string& to,
                               const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus LinkFile(const std::string& from, const std::string& to,
                             const rocksdb::IOOptions& options,
                             rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus NewDirectory(const std::string& path, const rocksdb::IOOptions& options,
                                 std::unique_ptr<rocksdb::FSDirectory>* directory,
                                 rocksdb::IODebugContext* debug) override;

 private:
  friend class FencedFile;
  friend class FencedDirectory;

  using Paths = std::set<std::string>;

  template <typename Open>
  rocksdb::IOStatus OpenFenced(const std::string& path,
                               std::unique_ptr<rocksdb::FSWritableFile>* file, Open open);
  // True: do not sync now.
  bool PutsOff(const std::string& path);
  rocksdb::IOStatus SyncTable(const std::string& path);

  const Fence& fence_;
  absl::Mutex mutex_;
  bool putting_off_ ABSL_GUARDED_BY(mutex_) = false;
  Paths tables_ ABSL_GUARDED_BY(mutex_);  // to be synced
};

}  // namespace baton
