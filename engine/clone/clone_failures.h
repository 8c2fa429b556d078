// What makes a clone fail: a host's write or preserved data that finds no room.
#pragma once

#include <absl/status/status.h>

#include <functional>

#include "engine/clone/relation_changes.h"
#include "engine/clone/relation_table.h"

namespace baton {

// Thread-safe; called from host I/O and from the writeback, no lock held.
class CloneFailures {
 public:
  // Called after each failure, no lock held.
  using OnFailed = std::function<void(uint64_t id, const absl::Status& why)>;
  CloneFailures(const RelationTable& table, RelationChanges& changes, OnFailed on_failed)
      : table_(table), changes_(changes), on_failed_(std::move(on_failed)) {}

  // The extents that a host write needs could not be preserved. OK: the write may go on, because
  // the clone has failed or is gone. Otherwise the write's error.
  absl::Status OnPreserveFailed(uint64_t id, const absl::Status& why);
  // A target does not take what was preserved for it. OK: the run's clone has failed or is gone.
  absl::Status OnWritebackFailed(uint64_t run_id, const absl::Status& why);

  // OK: the clone is not running any more, durably, and its run is over. Nothing happens to one
  // that was not running. Aborted: the engine cannot go on.
  absl::Status Fail(uint64_t id, const absl::Status& why);

 private:
  const RelationTable& table_;
  RelationChanges& changes_;
  const OnFailed on_failed_;
};

}  // namespace baton
