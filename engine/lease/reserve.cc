#include "engine/lease/reserve.h"

#include <memory>

#include "engine/base/limits.h"
#include "engine/base/status.h"

namespace baton {
namespace {

constexpr char kReservePath[] = "reserve";

}  // namespace

SpaceReading MeasureSpace(Storage& storage) {
  SpaceReading space{.free_bytes = storage.FreeBytes().value_or(0),
                     .total_bytes = storage.TotalBytes().value_or(0),
                     .reserve_bytes = 0};
  const absl::StatusOr<std::unique_ptr<File>> reserve =
      storage.Open(kReservePath, {.read_only = true});
  if (reserve.ok()) space.reserve_bytes = (*reserve)->AllocatedBytes().value_or(0);
  return space;
}

absl::Status ReleaseReserve(Storage& storage) {
  BATON_ASSIGN_OR_RETURN(const uint64_t free_bytes, storage.FreeBytes());
  if (free_bytes >= limits::kReserveBytes) return absl::OkStatus();
  const absl::StatusOr<std::unique_ptr<File>> reserve = storage.Open(kReservePath, {});
  if (absl::IsNotFound(reserve.status())) return absl::OkStatus();
  BATON_RETURN_IF_ERROR(reserve.status());
  return (*reserve)->Truncate(0);
}

absl::Status FillReserve(Storage& storage) {
  BATON_ASSIGN_OR_RETURN(const std::unique_ptr<File> reserve,
                         storage.Open(kReservePath, {.create = true}));
  BATON_ASSIGN_OR_RETURN(const uint64_t kept_bytes, reserve->AllocatedBytes());
  if (kept_bytes >= limits::kReserveBytes) return absl::OkStatus();
  const absl::Status filled = reserve->Allocate(0, limits::kReserveBytes);
  if (!absl::IsResourceExhausted(filled)) return filled;
  // Not every file system allocates what there is.
  uint64_t part_bytes = limits::kReserveBytes;
  while (part_bytes >= limits::kMiB && !reserve->Allocate(0, part_bytes).ok()) part_bytes /= 2;
  BATON_ASSIGN_OR_RETURN(const uint64_t left_bytes, reserve->AllocatedBytes());
  return Error(
      absl::StatusCode::kResourceExhausted,
      "the storage is full: only {} of the {} MiB that the next owner of the pool may need "
      "could be reserved; make room, or a crash may leave nobody who can own it",
      left_bytes / limits::kMiB, limits::kReserveBytes / limits::kMiB);
}

}  // namespace baton
