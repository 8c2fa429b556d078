#include "engine/meta/fenced_file_system.h"

#include <absl/base/thread_annotations.h>
#include <absl/synchronization/mutex.h>

#include <atomic>
#include <filesystem>
#include <set>

#include "tests/base/temporary_directory.h"
#include "tests/base/testing.h"

namespace baton {
namespace {

using rocksdb::FileOptions;
using rocksdb::FSDirectory;
using rocksdb::FSRandomRWFile;
using rocksdb::FSWritableFile;
using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using testing::ElementsAre;
using testing::IsEmpty;

class GateFence final : public Fence {
 public:
  absl::Status Check() const override {
    return open ? absl::OkStatus() : absl::AbortedError("the lease is over");
  }
  std::atomic<bool> open = true;
};

// The default one; knows what was synced.
class RecordingFileSystem final : public rocksdb::FileSystemWrapper {
 public:
  RecordingFileSystem() : FileSystemWrapper(rocksdb::FileSystem::Default()) {}
  const char* Name() const override { return "recording"; }

  IOStatus NewWritableFile(const std::string& path, const FileOptions& options,
                           std::unique_ptr<FSWritableFile>* file, IODebugContext* debug) override {
    std::unique_ptr<FSWritableFile> plain;
    IOStatus status = target()->NewWritableFile(path, options, &plain, debug);
    if (status.ok()) *file = std::make_unique<WritableFile>(std::move(plain), *this, path);
    return status;
  }
  IOStatus NewRandomRWFile(const std::string& path, const FileOptions& options,
                           std::unique_ptr<FSRandomRWFile>* file, IODebugContext* debug) override {
    std::unique_ptr<FSRandomRWFile> plain;
    IOStatus status = target()->NewRandomRWFile(path, options, &plain, debug);
    if (status.ok()) *file = std::make_unique<RandomFile>(std::move(plain), *this, path);
    return status;
  }
  IOStatus NewDirectory(const std::string& path, const IOOptions& options,
                        std::unique_ptr<FSDirectory>* directory, IODebugContext* debug) override {
    std::unique_ptr<FSDirectory> plain;
    IOStatus status = target()->NewDirectory(path, options, &plain, debug);
    if (status.ok()) *directory = std::make_unique<Directory>(std::move(plain), *this);
    return status;
  }

  // Names of files, and "." for the directory.
  std::multiset<std::string> synced() {
    const absl::MutexLock lock(&mutex_);
    return synced_;
  }
  std::atomic<bool> fails = false;

 private:
  class WritableFile final : public rocksdb::FSWritableFileOwnerWrapper {
   public:
    WritableFile(std::unique_ptr<FSWritableFile> file, RecordingFileSystem& owner, std::string path)
        : FSWritableFileOwnerWrapper(std::move(file)), owner_(owner), path_(std::move(path)) {}
    IOStatus Sync(const IOOptions&, IODebugContext*) override { return owner_.Note(path_); }

   private:
    RecordingFileSystem& owner_;
    const std::string path_;
  };
  class RandomFile final : public rocksdb::FSRandomRWFileOwnerWrapper {
   public:
    RandomFile(std::unique_ptr<FSRandomRWFile> file, RecordingFileSystem& owner, std::string path)
        : FSRandomRWFileOwnerWrapper(std::move(file)), owner_(owner), path_(std::move(path)) {}
    IOStatus Sync(const IOOptions&, IODebugContext*) override { return owner_.Note(path_); }

   private:
    RecordingFileSystem& owner_;
    const std::string path_;
  };
  class Directory final : public rocksdb::FSDirectoryWrapper {
   public:
    Directory(std::unique_ptr<FSDirectory> directory, RecordingFileSystem& owner)
        : FSDirectoryWrapper(std::move(directory)), owner_(owner) {}
    IOStatus Fsync(const IOOptions&, IODebugContext*) override { return owner_.Note("."); }

   private:
    RecordingFileSystem& owner_;
  };

  IOStatus Note(const std::string& path) {
    if (fails) return IOStatus::IOError("the device is gone");
    const absl::MutexLock lock(&mutex_);
    synced_.insert(std::filesystem::path(path).filename());
    return IOStatus::OK();
  }

  absl::Mutex mutex_;
  std::multiset<std::string> synced_ ABSL_GUARDED_BY(mutex_);
};

class FencedFileSystemTest : public testing::Test {
 protected:
  std::string Path(const std::string& name) const { return directory_.path() + "/" + name; }

  // Makes a file and asks for a sync of it.
  IOStatus Make(const std::string& name) {
    std::unique_ptr<FSWritableFile> file;
    IOStatus status = files_.NewWritableFile(Path(name), FileOptions(), &file, nullptr);
    if (status.ok()) status = file->Append("content", IOOptions(), nullptr);
    return status.ok() ? file->Sync(IOOptions(), nullptr) : status;
  }
  IOStatus SyncDirectory() {
    std::unique_ptr<FSDirectory> directory;
    IOStatus status = files_.NewDirectory(directory_.path(), IOOptions(), &directory, nullptr);
    return status.ok() ? directory->Fsync(IOOptions(), nullptr) : status;
  }

  TemporaryDirectory directory_;
  GateFence fence_;
  const std::shared_ptr<RecordingFileSystem> target_ = std::make_shared<RecordingFileSystem>();
  FencedFileSystem files_{target_, fence_};
};

TEST_F(FencedFileSystemTest, ASyncIsOneUnlessItIsPutOff) {
  EXPECT_TRUE(Make("1.sst").ok());
  EXPECT_TRUE(Make("CURRENT").ok());
  EXPECT_TRUE(SyncDirectory().ok());
  EXPECT_THAT(target_->synced(), ElementsAre(".", "1.sst", "CURRENT"));
}

TEST_F(FencedFileSystemTest, OfWhatWasPutOffTablesAreMadeUpFor) {
  files_.PutOffSyncs();
  for (const char* name : {"1.sst", "2.sst", "3.sst", "CURRENT", "4.log"}) {
    EXPECT_TRUE(Make(name).ok());
  }
  EXPECT_TRUE(SyncDirectory().ok());
  EXPECT_THAT(target_->synced(), IsEmpty());
  EXPECT_TRUE(files_.CatchUpWithTables().ok());
  EXPECT_THAT(target_->synced(), ElementsAre("1.sst", "2.sst", "3.sst"));
  EXPECT_TRUE(Make("5.log").ok());
  EXPECT_TRUE(SyncDirectory().ok());
  EXPECT_THAT(target_->synced(), ElementsAre(".", "1.sst", "2.sst", "3.sst", "5.log"));
}

TEST_F(FencedFileSystemTest, ATableThatIsGoneNeedNotBeSynced) {
  files_.PutOffSyncs();
  EXPECT_TRUE(Make("1.sst").ok());
  EXPECT_TRUE(Make("2.sst").ok());
  std::filesystem::remove(Path("1.sst"));
  EXPECT_TRUE(files_.CatchUpWithTables().ok());
  EXPECT_THAT(target_->synced(), ElementsAre("2.sst"));
}

TEST_F(FencedFileSystemTest, AFailedSyncIsReported) {
  files_.PutOffSyncs();
  EXPECT_TRUE(Make("1.sst").ok());
  EXPECT_TRUE(Make("2.sst").ok());
  target_->fails = true;
  EXPECT_FALSE(files_.CatchUpWithTables().ok());
}

TEST_F(FencedFileSystemTest, NothingIsSyncedOnceTheFenceRefuses) {
  files_.PutOffSyncs();
  EXPECT_TRUE(Make("1.sst").ok());
  fence_.open = false;
  EXPECT_FALSE(files_.CatchUpWithTables().ok());
  EXPECT_THAT(target_->synced(), IsEmpty());
}

}  // namespace
}  // namespace baton
