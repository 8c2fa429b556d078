#include "engine/lease/lease_watch.h"

#include <utility>

#include "engine/base/status.h"
#include "engine/lease/lease_file.h"

namespace baton {

absl::Status LeaseWatch::Look() {
  const absl::Duration begun = runtime_.BootTime();
  unchanged_ = absl::ZeroDuration();
  BATON_ASSIGN_OR_RETURN(std::optional<LeaseRecord> record, ReadNewestLease(storage_));
  if (has_looked_ && record == record_) {
    unchanged_ = begun - first_seen_;
    return absl::OkStatus();
  }
  record_ = std::move(record);
  first_seen_ = runtime_.BootTime();
  has_looked_ = true;
  return absl::OkStatus();
}

}  // namespace baton
