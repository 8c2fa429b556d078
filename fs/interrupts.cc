#include "fs/interrupts.h"

#include <algorithm>
#include <cerrno>

#include "fs/asker.h"
#include "fs/mount_settings.h"
#include "fs/protocol.h"
#include "fs/raw_answer.h"

namespace baton::fs {

void ServedRequest::Begin(Bytes request, bool interrupted, absl::Duration queued) {
  const auto& header = *reinterpret_cast<const fuse_in_header*>(request.data());
  const Asker asker = AskerOf(request);
  Renew();
  if (MayHaveBeenSent(request)) NoteUnanswered(interrupts_.began_);
  task_.store(asker.task, std::memory_order_relaxed);
  waits_.store(false, std::memory_order_relaxed);
  has_io_.store(false, std::memory_order_release);
  queued_ = queued;
  io_ = HostIoOf(request);
  const uint64_t unique = header.unique & ~kUniqueResent;
  word_.store(interrupted ? unique | kInterrupted : unique, std::memory_order_release);
}

void ServedRequest::BeginIo(absl::Duration now) {
  if (!io_) return;
  kind_.store(static_cast<size_t>(io_->kind), std::memory_order_release);
  volume_id_.store(io_->volume_id, std::memory_order_release);
  offset_.store(io_->offset, std::memory_order_release);
  length_bytes_.store(io_->length_bytes, std::memory_order_release);
  came_ns_.store(absl::ToInt64Nanoseconds(now - queued_), std::memory_order_release);
  BeginTime(now, queued_);
  has_io_.store(true, std::memory_order_release);
}

// What was read belongs together if the same request is served before and after.
std::optional<SlowRequest> ServedRequest::IoUnderWay(absl::Duration now) const {
  const uint64_t served = unique();
  if (served == 0 || !has_io_.load(std::memory_order_acquire)) return std::nullopt;
  SlowRequest request = {.io = {.kind = static_cast<IoKind>(kind_.load(std::memory_order_acquire)),
                                .volume_id = volume_id_.load(std::memory_order_acquire),
                                .offset = offset_.load(std::memory_order_acquire),
                                .length_bytes = length_bytes_.load(std::memory_order_acquire)},
                         .came = absl::Nanoseconds(came_ns_.load(std::memory_order_acquire)),
                         .spent = time_spent().Until(now),
                         .doing = time_spent().now()};
  request.total = now - request.came;
  return unique() == served ? std::optional(request) : std::nullopt;
}

void ServedRequest::NoteWait() {
  if (!waits_.exchange(true)) interrupts_.NoteWait();
}

bool ServedRequest::Set(uint64_t unique, uint64_t bit) {
  uint64_t word = word_.load(std::memory_order_acquire);
  while ((word & ~(kKilled | kInterrupted)) == unique) {
    if (word_.compare_exchange_weak(word, word | bit)) return true;
  }
  return false;
}

uint32_t ServedRequest::ProcessOf(uint64_t unique) const {
  const uint64_t noted = process_;
  return noted >> 32 == (unique & UINT32_MAX) ? static_cast<uint32_t>(noted) : 0;
}

void ServedRequest::NoteProcess(uint64_t unique, uint32_t process) {
  process_ = unique << 32 | process;
}

Interrupts::Interrupts(Runtime& runtime, VolumeDirectory& directory, Backlog& backlog, int fd,
                       size_t requests)
    : runtime_(runtime),
      directory_(directory),
      backlog_(backlog),
      fd_(fd),
      began_(runtime.BootTime()) {
  for (size_t i = 0; i < requests; ++i) {
    requests_.push_back(std::make_unique<ServedRequest>(*this));
  }
}

uint64_t Interrupts::CountUnserved() const {
  return static_cast<uint64_t>(
      std::ranges::count_if(requests_, [](const auto& request) { return request->unserved(); }));
}

std::vector<SlowRequest> Interrupts::IoSince(absl::Duration before) const {
  const absl::Duration now = runtime_.BootTime();
  std::vector<SlowRequest> found;
  for (const auto& request : requests_) {
    const std::optional<SlowRequest> io = request->IoUnderWay(now);
    if (io && io->came <= before) found.push_back(*io);
  }
  return found;
}

bool Interrupts::Take(uint64_t unique) {
  for (const auto& request : requests_) {
    if (!request->Set(unique, ServedRequest::kInterrupted)) continue;
    // It may have been parked by now: then the worker has looked already.
    if (on_parked && on_parked(unique)) return true;
    if (Look(*request, unique)) directory_.WakeWaiting();
    return true;
  }
  if (const std::optional<Backlog::Kept> kept = backlog_.Interrupt(unique)) {
    Look(*kept);
    return true;
  }
  return on_parked && on_parked(unique);
}

void Interrupts::Watch() {
  absl::MutexLock lock(&mutex_);
  while (!stopping_) {
    if (!awake_) {
      runtime_.Wait(changed_, mutex_);
      continue;
    }
    awake_ = false;
    waits_ = false;
    mutex_.Unlock();
    const bool served = LookAtServed();
    const bool kept = LookAtBacklog();
    mutex_.Lock();
    awake_ = awake_ || served || kept;
    waits_ = waits_ || served;
    backlog_.SetNeed(waits_);
    const absl::Duration next = runtime_.BootTime() + kLookPeriod;
    while (!stopping_ && runtime_.BootTime() < next) runtime_.WaitUntil(changed_, mutex_, next);
  }
}

void Interrupts::Stop() {
  absl::MutexLock lock(&mutex_);
  stopping_ = true;
  changed_.SignalAll();
}

void Interrupts::Wake() {
  absl::MutexLock lock(&mutex_);
  awake_ = true;
  changed_.SignalAll();
}

void Interrupts::NoteWait() {
  absl::MutexLock lock(&mutex_);
  awake_ = true;
  waits_ = true;
  backlog_.SetNeed(true);
  changed_.SignalAll();
}

bool Interrupts::LookAtServed() {
  bool any = false;
  bool killed = false;
  for (const auto& request : requests_) {
    const uint64_t unique = request->unique();
    if (unique == 0 || !request->waits_) continue;
    any = true;
    // Those that are called off are woken again: they may not have waited the last time.
    killed = request->killed() || Look(*request, unique) || killed;
  }
  if (killed) directory_.WakeWaiting();
  return any;
}

bool Interrupts::LookAtBacklog() {
  for (const Backlog::Kept& kept : backlog_.Some(kBacklogLook)) Look(kept);
  return !backlog_.empty();
}

// Of another request by now: nothing is noted.
bool Interrupts::Look(ServedRequest& request, uint64_t unique) {
  Asker asker{.task = request.task_, .process = request.ProcessOf(unique)};
  if (request.unique() != unique) return false;
  if (IsBeingKilled(asker)) return request.Set(unique, ServedRequest::kKilled);
  request.NoteProcess(unique, asker.process);
  return false;
}

bool Interrupts::Look(Backlog::Kept kept) {
  if (kept.in_doubt && runtime_.BootTime() < began_ + directory_.LongestDoubt()) return false;
  const uint32_t known = kept.asker.process;
  if (IsBeingKilled(kept.asker)) {
    if (const uint64_t received = backlog_.Remove(kept.unique)) AnswerRaw(fd_, received, EINTR);
    return true;
  }
  if (kept.asker.process != known) backlog_.Remember(kept);
  return false;
}

}  // namespace baton::fs
