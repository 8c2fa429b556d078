#include "engine/meta/reserve.h"

#include <memory>

#include "engine/base/limits.h"
#include "engine/base/status.h"

namespace baton {
namespace {

constexpr char kReservePath[] = "reserve";

}  // namespace

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
  const absl::Status filled = reserve->Allocate(0, limits::kReserveBytes);
  return absl::IsResourceExhausted(filled) ? absl::OkStatus() : filled;
}

}  // namespace baton
