// What the storage says of the owner, told to the coordinator.
#pragma once

#include <absl/time/time.h>

#include <optional>

#include "engine/base/model.pb.h"
#include "engine/lease/lease_record.h"
#include "engine/lease/lease_times.h"
#include "engine/meta/node_identity.h"
#include "ha/node/epoch_runner.h"
#include "ha/node/event_queue.h"
#include "ha/node/latest_lease.h"
#include "ha/volumes/router.h"

namespace baton::ha {

// Of one thread, that looks at storage.
class LeaseReporter {
 public:
  struct Options {
    NodeIdentity identity;
    OwnerTimes times;  // of this node
    bool has_watchdog = false;
    bool certificate_counts = true;  // CoordinatorOptions
  };
  // All of them outlive this.
  struct Receivers {
    LatestLease& lease;
    Router& router;
    EpochRunner& epochs;
    EventQueue& events;
  };

  LeaseReporter(Options options, Receivers receivers)
      : options_(std::move(options)), receivers_(receivers) {}

  // The newest record, read since `began`; nullopt: there is none.
  void Report(const std::optional<LeaseRecord>& record, absl::Duration began);
  void Report(const DeathCertificate& certificate);

 private:
  Holder HolderOf(const LeaseRecord& record) const;
  void LookAfterOldWatchdog(bool predecessor_owns);

  const Options options_;
  const Receivers receivers_;
  bool old_watchdog_is_known_ = false;
};

}  // namespace baton::ha
