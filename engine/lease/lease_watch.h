// The standby's side of the lease: has the record changed?
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include <optional>

#include "engine/base/runtime.h"
#include "engine/base/storage.h"
#include "engine/lease/lease_record.h"

namespace baton {

// One thread.
class LeaseWatch {
 public:
  LeaseWatch(Storage& storage, Runtime& runtime) : storage_(storage), runtime_(runtime) {}

  // Reads the newest record from storage. After an error what was seen before still counts.
  absl::Status Look();

  // As last seen; nullopt when no epoch was ever claimed.
  const std::optional<LeaseRecord>& record() const { return record_; }
  // From the end of the look that first saw the record as it is, to the beginning of the last one
  // that saw it: the record did not change for that long, on this node's clock. Zero when the last
  // look has seen a change, or has failed.
  absl::Duration unchanged() const { return unchanged_; }

 private:
  Storage& storage_;
  Runtime& runtime_;
  std::optional<LeaseRecord> record_;
  absl::Duration first_seen_;
  bool has_looked_ = false;
  absl::Duration unchanged_;
};

}  // namespace baton
