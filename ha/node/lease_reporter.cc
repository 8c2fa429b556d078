#include "ha/node/lease_reporter.h"

#include "ha/node/owner_times.h"

namespace baton::ha {

Holder LeaseReporter::HolderOf(const LeaseRecord& record) const {
  const NodeIdentity& self = options_.identity;
  if (record.instance == self.instance) return Holder::kThisProcess;
  if (record.node == self.node && record.boot_id == self.boot_id) return Holder::kPredecessor;
  return Holder::kOther;
}

void LeaseReporter::Report(const std::optional<LeaseRecord>& record, absl::Duration began) {
  if (!record) return receivers_.events.Post(event::NoLease{});
  const Holder holder = HolderOf(*record);
  const bool predecessor_owns = holder == Holder::kPredecessor && !record->released;
  LookAfterOldWatchdog(predecessor_owns);
  const bool is_new = receivers_.lease.Note(*record);
  const OwnerTimes times = JudgeBy(record->times, options_.times);
  receivers_.router.RaiseDoubt(LongestDoubt(times));
  receivers_.events.Post(event::LeaseSeen{.began = began,
                                          .epoch = record->epoch,
                                          .node = record->node,
                                          .holder = holder,
                                          .counter = record->counter,
                                          .released = record->released,
                                          .times = TimesForCoordinator(times)});
  // Our keeper has reaped it: that is why this process is here.
  if (is_new && predecessor_owns) {
    receivers_.events.Post(event::Certificate{.node = record->node, .epoch = record->epoch});
  }
}

void LeaseReporter::Report(const DeathCertificate& certificate) {
  receivers_.events.Post(
      event::Certificate{.node = certificate.node(), .epoch = certificate.epoch()});
}

// Where the writes of a process do not end with it, they are what the watchdog is for.
void LeaseReporter::LookAfterOldWatchdog(bool predecessor_owns) {
  if (!options_.has_watchdog || old_watchdog_is_known_) return;
  if (predecessor_owns && !options_.certificate_counts) return;
  old_watchdog_is_known_ = true;
  receivers_.epochs.StopOldWatchdog();
}

}  // namespace baton::ha
