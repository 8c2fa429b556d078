#include "ha/volumes/volume_adapter.h"

#include "engine/base/copy_failure.h"
#include "engine/base/status.h"
#include "ha/volumes/volume_names.h"

namespace baton::ha {
namespace {

using Pool = Drainable<OwnedPool>;

absl::Status NotOurs() { return absl::AbortedError("this controller does not own the pool"); }

// What a file says when the storage under it fails. Everything else is about the request, or about
// a clone: what its target does not take it takes from no other controller either.
bool MayBeStorage(const absl::Status& status) {
  if (IsCopyFailure(status)) return false;
  return absl::IsDataLoss(status) || absl::IsUnavailable(status) || absl::IsInternal(status) ||
         absl::IsPermissionDenied(status) || absl::IsUnknown(status);
}

// A handle whose storage may belong to somebody else soon.
class GuardedVolume final : public VolumeIo {
 public:
  GuardedVolume(std::unique_ptr<VolumeIo> io, const VolumeAdapter::StorageFailed& storage_failed)
      : io_(std::move(io)), storage_failed_(storage_failed) {}

  uint64_t size_bytes() const override { return io_->size_bytes(); }
  absl::Status Read(uint64_t offset, MutableBytes out) override {
    return TwiceIfNeeded([&] { return io_->Read(offset, out); });
  }
  absl::Status Write(uint64_t offset, Bytes data) override {
    return TwiceIfNeeded([&] { return io_->Write(offset, data); });
  }
  // Once: an error of a sync is final.
  absl::Status Flush() override { return Judge(io_->Flush()); }
  absl::Status Discard(uint64_t offset, uint64_t length_bytes) override {
    return TwiceIfNeeded([&] { return io_->Discard(offset, length_bytes); });
  }

 private:
  absl::Status Judge(absl::Status status) const {
    if (!MayBeStorage(status)) return status;
    return storage_failed_(status) ? absl::AbortedError(Message(status)) : status;
  }

  // An error that is gone at once is none: the request is positional, so it is tried once more.
  template <typename Call>
  absl::Status TwiceIfNeeded(Call call) const {
    absl::Status status = Judge(call());
    return MayBeStorage(status) ? Judge(call()) : status;
  }

  const std::unique_ptr<VolumeIo> io_;
  const VolumeAdapter::StorageFailed& storage_failed_;
};

}  // namespace

absl::StatusOr<std::vector<VolumeName>> VolumeAdapter::List(uint64_t after_id, size_t limit) const {
  const Pool::Use pool(pool_);
  if (!pool) return NotOurs();
  return NamesAfter(pool->engine, after_id, limit);
}

absl::StatusOr<VolumeEntry> VolumeAdapter::Lookup(const std::string& name) const {
  const Pool::Use pool(pool_);
  if (!pool) return NotOurs();
  return FindEntry(pool->engine, name, Allocation::kMeasured);
}

absl::StatusOr<VolumeEntry> VolumeAdapter::Get(uint64_t id) const {
  const Pool::Use pool(pool_);
  if (!pool) return NotOurs();
  return FindEntry(pool->engine, id, Allocation::kMeasured);
}

absl::StatusOr<std::shared_ptr<VolumeIo>> VolumeAdapter::Open(uint64_t id) {
  const Pool::Use pool(pool_);
  if (!pool) return NotOurs();
  BATON_ASSIGN_OR_RETURN(std::unique_ptr<VolumeIo> io, pool->engine.OpenVolume(id));
  if (!storage_failed_) return io;
  return std::make_shared<GuardedVolume>(std::move(io), storage_failed_);
}

absl::StatusOr<std::optional<DataRange>> VolumeAdapter::NextData(uint64_t id,
                                                                 uint64_t offset) const {
  const Pool::Use pool(pool_);
  if (!pool) return NotOurs();
  return pool->engine.NextData(id, offset);
}

absl::StatusOr<Capacity> VolumeAdapter::GetCapacity() const {
  const Pool::Use pool(pool_);
  if (!pool) return NotOurs();
  Capacity capacity;
  BATON_ASSIGN_OR_RETURN(capacity.total_bytes, pool->storage.TotalBytes());
  BATON_ASSIGN_OR_RETURN(capacity.free_bytes, pool->storage.FreeBytes());
  capacity.volumes = pool->engine.CountVolumes();
  return capacity;
}

absl::StatusOr<std::optional<FileLock>> VolumeAdapter::SetLocksInOrder(uint64_t id,
                                                                       const FileLocks& locks,
                                                                       uint64_t order) {
  return SetLocksOf(Teller(order), id, locks);
}

absl::StatusOr<std::vector<VolumeLocks>> VolumeAdapter::SetAllLocksInOrder(
    const std::vector<VolumeLocks>& all, uint64_t order) {
  return SetAllLocksOf(Teller(order), all);
}

absl::StatusOr<std::optional<FileLock>> VolumeAdapter::FindLock(uint64_t id,
                                                                const FileLock& wanted) const {
  return FindLockFor(node_, id, wanted);
}

absl::StatusOr<std::optional<FileLock>> VolumeAdapter::SetLocksOf(const LockTeller& teller,
                                                                  uint64_t id,
                                                                  const FileLocks& locks) {
  const Pool::Use pool(pool_);
  if (!pool) return NotOurs();
  return pool->engine.SetLocks(teller, id, locks);
}

absl::StatusOr<std::vector<VolumeLocks>> VolumeAdapter::SetAllLocksOf(
    const LockTeller& teller, const std::vector<VolumeLocks>& all) {
  const Pool::Use pool(pool_);
  if (!pool) return NotOurs();
  return pool->engine.SetAllLocks(teller, all);
}

absl::StatusOr<std::optional<FileLock>> VolumeAdapter::FindLockFor(const std::string& node,
                                                                   uint64_t id,
                                                                   const FileLock& wanted) const {
  const Pool::Use pool(pool_);
  if (!pool) return NotOurs();
  return pool->engine.FindLock(node, id, wanted);
}

absl::Status VolumeAdapter::DropLocksOf(const std::string& node) {
  const Pool::Use pool(pool_);
  if (!pool) return NotOurs();
  return pool->engine.DropLocks(node);
}

}  // namespace baton::ha
