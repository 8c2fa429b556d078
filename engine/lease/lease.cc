#include "engine/lease/lease.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "engine/base/status.h"

namespace baton {
namespace {

PauseMeter::Reading ReadClocks(Runtime& runtime, PauseMeter* pauses) {
  if (pauses == nullptr) return {.at = runtime.BootTime(), .ticks = 0};
  return pauses->Read();
}

}  // namespace

// All counts from before the first byte is written: whoever finds the record later than that
// waits longer than we believe in it.
absl::StatusOr<std::unique_ptr<Lease>> Lease::Claim(Options options, LeaseRecord record) {
  BATON_RETURN_IF_ERROR(CheckLeaseTimes(options.times));
  const PauseMeter::Reading issued = ReadClocks(options.runtime, options.pauses);
  BATON_RETURN_IF_ERROR(options.kill_timer->Arm(issued.at + options.times.valid));
  BATON_RETURN_IF_ERROR(CreateLease(options.storage, record));
  BATON_ASSIGN_OR_RETURN(LeaseFile file, LeaseFile::Open(options.storage, record.epoch));
  std::unique_ptr<Lease> lease(
      new Lease(std::move(options), std::move(record), std::move(file), issued));
  BATON_RETURN_IF_ERROR(lease->Check());
  lease->thread_ =
      lease->runtime_.StartThread("lease", [lease = lease.get()] { lease->RenewUntilStopped(); });
  return lease;
}

Lease::Lease(Options options, LeaseRecord record, LeaseFile file, const PauseMeter::Reading& issued)
    : storage_(options.storage),
      runtime_(options.runtime),
      times_(options.times),
      on_lost_(std::move(options.on_lost)),
      on_renewed_(std::move(options.on_renewed)),
      epoch_(record.epoch),
      kill_timer_(std::move(options.kill_timer)),
      file_(std::move(file)),
      record_(std::move(record)),
      pauses_(options.pauses),
      stop_ns_(absl::ToInt64Nanoseconds(issued.at + times_.stop)),
      stop_ticks_(pauses_ == nullptr ? PauseMeter::kNever
                                     : pauses_->TicksAfter(issued, times_.stop)),
      synced_sequence_(record_.meta_sequence) {}

Lease::~Lease() { StopThread(); }

absl::Status Lease::Check() const {
  BATON_RETURN_IF_ERROR(CheckTime());
  if (doubtful_.load(std::memory_order_relaxed)) return AwaitCertainty();
  if (!SeemsPaused()) return absl::OkStatus();
  BeginDoubt();
  return AwaitCertainty();
}

bool Lease::SeemsPaused() const { return pauses_ != nullptr && pauses_->Ticks() >= stop_ticks_; }

// Under the lock, a renewal may have succeeded just before.
void Lease::BeginDoubt() const {
  bool is_new = false;
  bool is_counted = false;
  {
    const absl::MutexLock lock(&mutex_);
    if (!SeemsPaused()) return;
    certain_at_ = runtime_.BootTime() + kSettle;
    is_new = !doubtful_;
    is_counted = is_new || doubted_ticks_ != stop_ticks_;
    doubtful_ = true;
    doubted_ticks_ = stop_ticks_;
    renew_now_ = renew_now_ || is_new;
    turn_changed_.SignalAll();
  }
  if (is_counted) pauses_->NoteDoubt();
  if (!is_new) return;
  spdlog::warn(
      "this machine seems to have been paused: nothing is acknowledged until it is certain that no "
      "other node owns the pool");
}

absl::Status Lease::AwaitCertainty() const {
  {
    const absl::MutexLock lock(&mutex_);
    while (doubtful_ && !stopping_ && CheckTime().ok()) {
      runtime_.WaitUntil(doubt_ended_, mutex_, absl::Nanoseconds(stop_ns_.load()));
    }
    if (doubtful_ && stopping_) return Lost();
  }
  return CheckTime();
}

absl::Status Lease::CheckTime() const {
  if (lost_.load(std::memory_order_relaxed)) return Lost();
  if (absl::ToInt64Nanoseconds(runtime_.BootTime()) < stop_ns_) return absl::OkStatus();
  lost_ = true;
  return Lost();
}

absl::Status Lease::Lost() const {
  return Error(absl::StatusCode::kAborted,
               "the lease of epoch {} is over: this controller may not write any more", epoch_);
}

void Lease::NoteSynced(uint64_t sequence) {
  uint64_t known = synced_sequence_;
  while (known < sequence && !synced_sequence_.compare_exchange_weak(known, sequence)) {
  }
}

void Lease::RenewUntilStopped() {
  absl::Duration turn = runtime_.BootTime() + times_.renew;
  while (WaitForTurn(turn)) {
    turn = runtime_.BootTime() + times_.renew;
    const absl::Status renewed = Renew();
    if (!renewed.ok()) spdlog::warn("the lease was not renewed: {}", Message(renewed));
    const absl::Status owned = CheckTime();
    if (owned.ok()) continue;
    EndDoubt();
    if (on_lost_) on_lost_(absl::IsAborted(renewed) ? renewed : owned);
    return;
  }
}

// False: no more turns.
bool Lease::WaitForTurn(absl::Duration turn) {
  const absl::MutexLock lock(&mutex_);
  while (!stopping_ && !renew_now_ && runtime_.BootTime() < OrAtCertainty(turn)) {
    runtime_.WaitUntil(turn_changed_, mutex_, OrAtCertainty(turn));
  }
  renew_now_ = false;
  return !stopping_;
}

// A renewal that ends a doubt comes as soon as it can; one that fails has its next turn as ever.
absl::Duration Lease::OrAtCertainty(absl::Duration turn) const {
  const absl::Duration before = turn - times_.renew;
  return doubtful_ && certain_at_ > before ? std::min(turn, certain_at_) : turn;
}

absl::Status Lease::Renew() {
  const PauseMeter::Reading issued = ReadClocks(runtime_, pauses_);
  if (SeemsPaused()) BeginDoubt();
  BATON_RETURN_IF_ERROR(WriteRecord(/*released=*/false));
  BATON_RETURN_IF_ERROR(LookForSuccessor());
  BATON_RETURN_IF_ERROR(CheckTime());
  BATON_RETURN_IF_ERROR(kill_timer_->Arm(issued.at + times_.valid));
  stop_ns_ = absl::ToInt64Nanoseconds(issued.at + times_.stop);
  NoteRenewed(issued);
  if (on_renewed_) on_renewed_();
  return absl::OkStatus();
}

// Whoever was told that the doubt is over must not find the old ticks.
void Lease::NoteRenewed(const PauseMeter::Reading& issued) {
  if (pauses_ == nullptr) return;
  stop_ticks_ = pauses_->TicksAfter(issued, times_.stop);
  if (!IsCertain(issued.at)) return;
  EndDoubt();
  spdlog::info("this node owns epoch {} all the same", epoch_);
}

bool Lease::IsCertain(absl::Duration issued) const {
  const absl::MutexLock lock(&mutex_);
  return doubtful_ && issued >= certain_at_;
}

void Lease::EndDoubt() {
  const absl::MutexLock lock(&mutex_);
  doubtful_ = false;
  doubt_ended_.SignalAll();
}

absl::Status Lease::LookForSuccessor() {
  BATON_ASSIGN_OR_RETURN(const uint64_t newest, NewestClaimedEpoch(storage_));
  if (newest <= epoch_) return absl::OkStatus();
  lost_ = true;
  const absl::StatusOr<std::optional<LeaseRecord>> record = ReadNewestLease(storage_);
  const std::string who = record.ok() && *record ? "node " + (*record)->node : "another node";
  return Error(absl::StatusCode::kAborted, "{} has claimed epoch {}: epoch {} is over", who, newest,
               epoch_);
}

absl::Status Lease::WriteRecord(bool released) {
  ++record_.counter;
  record_.meta_sequence = synced_sequence_;
  record_.released = released;
  return file_.Write(record_);
}

// The timer stays armed until the thread has ended: that may be stuck in the kernel.
void Lease::StopThread() {
  {
    const absl::MutexLock lock(&mutex_);
    stopping_ = true;
    turn_changed_.SignalAll();
    doubt_ended_.SignalAll();
  }
  thread_.reset();
}

absl::Status Lease::Release() {
  StopThread();
  if (record_.released) return absl::OkStatus();
  // Nothing but its own record is written from here on, so that a look is certain enough.
  BATON_RETURN_IF_ERROR(CheckTime());
  BATON_RETURN_IF_ERROR(LookForSuccessor());
  lost_ = true;
  BATON_RETURN_IF_ERROR(WriteRecord(/*released=*/true));
  kill_timer_->Disarm();
  return absl::OkStatus();
}

}  // namespace baton
