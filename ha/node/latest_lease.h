// The newest lease record that was read from storage.
#pragma once

#include <absl/base/thread_annotations.h>
#include <absl/synchronization/mutex.h>

#include <cstdint>
#include <optional>

#include "engine/lease/lease_record.h"

namespace baton::ha {

// Thread-safe.
class LatestLease {
 public:
  // True: it is of another epoch than the one before, or the first one.
  bool Note(const LeaseRecord& record) {
    absl::MutexLock lock(&mutex_);
    const bool is_new = !record_ || record_->epoch != record.epoch;
    record_ = record;
    return is_new;
  }
  // Nullopt: none was read.
  std::optional<LeaseRecord> Read() const {
    absl::MutexLock lock(&mutex_);
    return record_;
  }
  // Nullopt, too: it is of another epoch.
  std::optional<LeaseRecord> Of(uint64_t epoch) const {
    const std::optional<LeaseRecord> record = Read();
    return record && record->epoch == epoch ? record : std::nullopt;
  }

 private:
  mutable absl::Mutex mutex_;
  std::optional<LeaseRecord> record_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace baton::ha
