// Connects the mount with the engine: the directory of volumes that fs asks for.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/base/storage.h"
#include "engine/engine.h"
#include "ha/volumes/drainable.h"
#include "ha/volumes/volume_server.h"

namespace baton::ha {

// A pool while this controller owns it.
struct OwnedPool {
  Engine& engine;
  const Storage& storage;
};

// Aborted while there is no engine. Thread-safe.
class VolumeAdapter final : public VolumeServer, public LockServer {
 public:
  // Told of an error of the storage under a request. True: another controller will own the pool
  // soon, so the request is answered with Aborted and goes there. May be empty.
  using StorageFailed = std::function<bool(const absl::Status&)>;

  // `node`: this one's name.
  explicit VolumeAdapter(Drainable<OwnedPool>& pool, StorageFailed storage_failed = {},
                         std::string node = {})
      : pool_(pool), storage_failed_(std::move(storage_failed)), node_(std::move(node)) {}

  absl::StatusOr<std::vector<VolumeName>> List(uint64_t after_id, size_t limit) const override;
  absl::StatusOr<VolumeEntry> Lookup(const std::string& name) const override;
  absl::StatusOr<VolumeEntry> Get(uint64_t id) const override;
  absl::StatusOr<std::shared_ptr<VolumeIo>> Open(uint64_t id) override;
  absl::StatusOr<std::optional<DataRange>> NextData(uint64_t id, uint64_t offset) const override;
  absl::StatusOr<Capacity> GetCapacity() const override;
  absl::StatusOr<std::optional<FileLock>> SetLocksInOrder(uint64_t id, const FileLocks& locks,
                                                          uint64_t order) override;
  absl::StatusOr<std::vector<VolumeLocks>> SetAllLocksInOrder(const std::vector<VolumeLocks>& all,
                                                              uint64_t order) override;
  absl::StatusOr<std::optional<FileLock>> FindLock(uint64_t id,
                                                   const FileLock& wanted) const override;
  absl::StatusOr<std::optional<FileLock>> SetLocksOf(const LockTeller& teller, uint64_t id,
                                                     const FileLocks& locks) override;
  absl::StatusOr<std::vector<VolumeLocks>> SetAllLocksOf(
      const LockTeller& teller, const std::vector<VolumeLocks>& all) override;
  absl::StatusOr<std::optional<FileLock>> FindLockFor(const std::string& node, uint64_t id,
                                                      const FileLock& wanted) const override;
  absl::Status DropLocksOf(const std::string& node) override;

 private:
  // An epoch ends within one boot, so that the boot need not be named.
  LockTeller Teller(uint64_t order) const { return {.node = node_, .boot_id = {}, .order = order}; }

  Drainable<OwnedPool>& pool_;
  const StorageFailed storage_failed_;
  const std::string node_;
};

}  // namespace baton::ha
