// The epochs of this controller, from the claim to the end of the seal.
#pragma once

#include <atomic>
#include <optional>
#include <string>
#include <utility>

#include "ha/node/confined.h"
#include "ha/node/epoch_work.h"
#include "ha/node/latest_lease.h"
#include "ha/node/pending_notes.h"

namespace baton::ha {

// Has its thread, "epoch", do what is asked for, one after the other; it ends with the event that
// the coordinator waits for. Thread-safe, and never waits.
class EpochRunner {
 public:
  // What `around` refers to outlives this.
  EpochRunner(EpochWork::Options options, EpochWork::Surroundings around);

  void Claim(const action::Claim& action);
  void Recover();
  // The epoch, after RecoveryEnded with ok.
  LentEpoch TakeRecovered();
  // The event of the claim, and what was noted until then.
  void RecordClaim();
  // `epoch`: is given back by this; empty where it was not taken.
  void Seal(LentEpoch epoch);

  // Something for the events of the pool; kept until this node owns the pool, and logged.
  void Note(const std::string& kind, const std::string& text);
  // Where the newest lease record is of that epoch: tells all nodes by a file of the pool.
  void WriteCertificate(uint64_t epoch);
  void StopOldWatchdog();

  // Waits for what is being done. Nothing else of what was asked for is done.
  void Stop() { work_.Stop(); }

 private:
  const LatestLease& lease_;
  PendingNotes notes_;
  EpochHandoff handoff_;
  std::atomic<bool> records_ = false;  // notes go to the events at once
  Confined<EpochWork> work_;
};

}  // namespace baton::ha
