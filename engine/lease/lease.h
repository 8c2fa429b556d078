// The owner's side of the lease: the claim of an epoch, kept alive. Timeline: lease_times.h.
#pragma once

#include <absl/base/thread_annotations.h>
#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/synchronization/mutex.h>
#include <absl/time/time.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>

#include "engine/base/fence.h"
#include "engine/base/runtime.h"
#include "engine/base/storage.h"
#include "engine/lease/kill_timer.h"
#include "engine/lease/lease_file.h"
#include "engine/lease/lease_record.h"
#include "engine/lease/lease_times.h"
#include "engine/lease/pause_meter.h"

namespace baton {

// From Claim on a thread of its own renews the record. When no renewal succeeded for times.stop
// the lease is lost for good: Check says so from then on, and times.valid after the last good
// renewal the process is killed, unless the lease was destroyed or released before. A renewal
// that fails is tried again at the next turn; one that comes too late revives nothing. Each
// renewal looks for later epochs: where one was claimed this owner was taken for dead (its machine
// was suspended, say), and the lease is lost at once, whatever this node's clock says.
//
// A virtual machine may have been paused, and its clock with it. Where another clock says that
// times.stop have passed since the last good renewal, though BootTime does not, nothing is admitted
// or acknowledged until it is certain that nobody has claimed meanwhile: kSettle later, after
// another renewal. By then whoever had seen this lease run out has claimed, or has seen it renewed.
// Thread-safe.
class Lease final : public Fence {
 public:
  struct Options {
    Storage& storage;
    Runtime& runtime;
    std::unique_ptr<KillTimer> kill_timer;
    LeaseTimes times;
    PauseMeter* pauses = nullptr;  // outlives the lease; null: pauses are not noticed
    // Called at most once, from the renewing thread, when the lease is lost, with the reason. May
    // be empty.
    std::function<void(const absl::Status&)> on_lost;
    // Called after each renewal, from the renewing thread. May be empty.
    std::function<void()> on_renewed = {};
  };

  // Claims record.epoch. AlreadyExists: somebody else has. REQUIRES: the owner of every earlier
  // epoch is gone.
  static absl::StatusOr<std::unique_ptr<Lease>> Claim(Options options, LeaseRecord record);
  // Ends the renewals and disarms the timer; the record stays as it is and runs out. REQUIRES:
  // whatever writes under this lease has ended.
  ~Lease() override;
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;

  // A standby does nothing by a look at the lease that is older than 1 s; a claim takes a moment.
  static constexpr absl::Duration kSettle = absl::Milliseconds(1500);

  // Some 30 ns, no lock. Waits while it is not certain that the machine was not paused for long, at
  // most until the lease is over. To callers that is storage which is slow: they may hold what they
  // hold over I/O (RocksDB its mutex), but no lock that a beat for the keeper takes.
  absl::Status Check() const override;

  // Every metadata write up to `sequence` is durable: goes into the next renewal, so that a
  // successor whose log was cut short notices.
  void NoteSynced(uint64_t sequence);

  // The orderly end: Check refuses from now on, and a successor need not wait. No doubt delays it.
  // REQUIRES: whatever writes under this lease has ended. Aborted: the lease was lost before.
  // Idempotent.
  absl::Status Release();

  uint64_t epoch() const { return epoch_; }

 private:
  Lease(Options options, LeaseRecord record, LeaseFile file, const PauseMeter::Reading& issued);

  absl::Status CheckTime() const;
  bool SeemsPaused() const;
  void BeginDoubt() const;
  absl::Status AwaitCertainty() const;
  void NoteRenewed(const PauseMeter::Reading& issued);
  bool IsCertain(absl::Duration issued) const;
  void EndDoubt();

  void RenewUntilStopped();
  bool WaitForTurn(absl::Duration turn);
  absl::Duration OrAtCertainty(absl::Duration turn) const ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  absl::Status Renew();
  absl::Status LookForSuccessor();
  absl::Status WriteRecord(bool released);
  void StopThread();
  absl::Status Lost() const;

  Storage& storage_;
  Runtime& runtime_;
  const LeaseTimes times_;
  const std::function<void(const absl::Status&)> on_lost_;
  const std::function<void()> on_renewed_;
  const uint64_t epoch_;
  const std::unique_ptr<KillTimer> kill_timer_;
  LeaseFile file_;      // of the renewing thread; once that has ended, of Release
  LeaseRecord record_;  // likewise

  PauseMeter* const pauses_;

  std::atomic<int64_t> stop_ns_;  // BootTime at which no more I/O is admitted
  std::atomic<uint64_t> stop_ticks_ = PauseMeter::kNever;  // likewise by the other clock
  mutable std::atomic<bool> lost_ = false;
  std::atomic<uint64_t> synced_sequence_;

  mutable absl::Mutex mutex_;
  mutable absl::CondVar turn_changed_;  // or there are no more
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  mutable bool renew_now_ ABSL_GUARDED_BY(mutex_) = false;
  mutable std::atomic<bool> doubtful_ = false;                  // changes under the lock
  mutable absl::Duration certain_at_ ABSL_GUARDED_BY(mutex_);   // by a renewal issued after that
  mutable uint64_t doubted_ticks_ ABSL_GUARDED_BY(mutex_) = 0;  // the stop_ticks_ it is about
  mutable absl::CondVar doubt_ended_;
  std::unique_ptr<Thread> thread_;  // of whoever destroys or releases
};

}  // namespace baton
