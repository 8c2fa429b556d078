// Storage in a directory of a mounted file system.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/base/side_writers.h"
#include "engine/base/storage.h"
#include "engine/base/unique_fd.h"

namespace baton {

// Everything is opened relative to the directory's descriptor and beneath it only (openat2:
// RESOLVE_BENEATH, RESOLVE_NO_SYMLINKS), so that renaming or replacing the path to the directory
// afterwards changes nothing. Directories are made with mode 0700, files with 0600. Thread-safe.
class PosixStorage final : public Storage {
 public:
  // NotFound, FailedPrecondition (not a directory), PermissionDenied.
  static absl::StatusOr<std::unique_ptr<PosixStorage>> Open(const std::string& directory);

  // The absolute path that the directory had when it was opened, symbolic links resolved: for
  // libraries that take nothing but paths.
  const std::string& directory() const { return directory_; }

  absl::StatusOr<std::unique_ptr<File>> Open(const std::string& path, OpenOptions options) override;
  absl::Status MakeDirectory(const std::string& path) override;
  absl::StatusOr<std::vector<std::string>> List(const std::string& path) const override;
  absl::StatusOr<bool> Exists(const std::string& path) const override;
  absl::Status Rename(const std::string& from, const std::string& to) override;
  absl::Status RenameToFree(const std::string& from, const std::string& to) override;
  absl::Status Link(const std::string& from, const std::string& to) override;
  absl::Status Remove(const std::string& path) override;
  absl::Status SyncDirectory(const std::string& path) override;
  absl::Status WriteSideBySide(std::span<const SideWrite> writes) override;
  absl::StatusOr<uint64_t> FreeBytes() const override;
  absl::StatusOr<uint64_t> TotalBytes() const override;
  // By the type of the file system: true for those that write to a block device or to memory.
  bool WritesEndWithProcess() const override;

 private:
  // An entry of a directory: what the *at calls take.
  struct Place {
    UniqueFd parent;
    std::string name;
  };

  PosixStorage(UniqueFd root, std::string directory);

  std::string FullName(const std::string& path) const;
  // `path` opened beneath the root, or why not; `operation` is for the message.
  absl::StatusOr<UniqueFd> OpenBeneath(const std::string& path, int flags,
                                       const char* operation) const;
  absl::StatusOr<Place> Locate(const std::string& path, const char* operation) const;
  // `flags` of renameat2.
  absl::Status RenameWith(const std::string& from, const std::string& to, unsigned flags);

  const UniqueFd root_;
  const std::string directory_;
  SideWriters side_writers_;
};

}  // namespace baton
