#include "fs/mount_locks.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "engine/base/status.h"
#include "fs/errno.h"
#include "fs/protocol.h"

namespace baton::fs {
namespace {

// How often the thread looks whether somebody else serves.
constexpr absl::Duration kLookAgain = absl::Milliseconds(100);
// Who waits is told when a lock is free. What gets lost is made up for so often.
constexpr absl::Duration kRetryEvery = absl::Milliseconds(500);
// An owner that had no answer is asked again after this long.
constexpr absl::Duration kAskAgain = absl::Milliseconds(20);
// Who gives back a lock waits so long at most until the owner knows.
constexpr absl::Duration kTellingPatience = absl::Seconds(1);

bool IsSameRequest(uint64_t a, uint64_t b) { return ((a ^ b) & ~kUniqueResent) == 0; }

}  // namespace

MountLocks::MountLocks(VolumeDirectory& directory, Runtime& runtime,
                       std::unique_ptr<LockTable> table, Answer answer, Lost lost)
    : directory_(directory),
      runtime_(runtime),
      table_(std::move(table)),
      answer_(std::move(answer)),
      lost_(std::move(lost)) {}

void MountLocks::Load(const std::function<bool(uint64_t handle)>& is_open) {
  absl::MutexLock lock(&mutex_);
  for (auto& [volume_id, locks] : table_->Load()) {
    std::erase_if(locks, [&](const FileLock& held) { return !is_open(held.handle); });
    table_->Replace(volume_id, locks);
    if (!locks.empty()) held_[volume_id] = std::move(locks);
  }
}

void MountLocks::Start() {
  thread_ = runtime_.StartThread("fuse-locks", [this] { Run(); });
}

void MountLocks::Stop() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
    changed_.SignalAll();
  }
  thread_.reset();
}

void MountLocks::Push(Change change) {
  absl::MutexLock lock(&mutex_);
  queue_.push_back(std::move(change));
  changed_.SignalAll();
}

void MountLocks::Lock(const Request& request) { Push({Kind::kLock, request}); }

void MountLocks::Unlock(const Request& request) { Push({Kind::kUnlock, request}); }

bool MountLocks::Close(uint64_t unique, uint64_t volume_id, uint64_t owner) {
  const FileLocks held = Held(volume_id);
  if (WithoutOwner(held, owner) == held) return false;
  Push({Kind::kClose,
        {.unique = unique, .volume_id = volume_id, .lock = {.owner = owner}, .waits = false}});
  return true;
}

bool MountLocks::HoldsRanges(uint64_t volume_id) const {
  const FileLocks held = Held(volume_id);
  return std::any_of(held.begin(), held.end(),
                     [](const FileLock& lock) { return lock.space == LockSpace::kRanges; });
}

void MountLocks::Release(uint64_t volume_id, uint64_t handle) {
  const FileLocks held = Held(volume_id);
  if (WithoutHandle(held, handle) == held) return;
  Push({Kind::kRelease,
        {.unique = 0, .volume_id = volume_id, .lock = {.handle = handle}, .waits = false}});
}

bool MountLocks::Interrupt(uint64_t unique) {
  uint64_t ended = 0;
  {
    absl::MutexLock lock(&mutex_);
    if (current_ != 0 && IsSameRequest(current_, unique)) {
      interrupted_ = true;
      return true;
    }
    for (const Owed& owed : owed_) {
      if (IsSameRequest(owed.change.request.unique, unique)) return true;
    }
    for (std::deque<Change>* changes : {&queue_, &waiting_}) {
      const auto found = std::find_if(changes->begin(), changes->end(), [&](const Change& change) {
        return change.request.unique != 0 && IsSameRequest(change.request.unique, unique);
      });
      if (found == changes->end()) continue;
      // What is given back is not called off.
      if (found->kind != Kind::kLock) return true;
      ended = found->request.unique;
      changes->erase(found);
      break;
    }
  }
  if (ended != 0) answer_(ended, EINTR);
  return ended != 0;
}

absl::StatusOr<std::optional<FileLock>> MountLocks::Find(uint64_t volume_id,
                                                         const FileLock& wanted) const {
  if (const auto own = FindConflict(Held(volume_id), wanted)) return own;
  BATON_ASSIGN_OR_RETURN(std::optional<FileLock> other, directory_.FindLock(volume_id, wanted));
  if (other) other->pid = 0;  // of a process of another node
  return other;
}

void MountLocks::Retry(uint64_t volume_id) {
  absl::MutexLock lock(&mutex_);
  freed_.insert(volume_id);
  changed_.SignalAll();
}

FileLocks MountLocks::Held(uint64_t volume_id) const {
  absl::ReaderMutexLock lock(&mutex_);
  const auto found = held_.find(volume_id);
  return found == held_.end() ? FileLocks() : found->second;
}

// False: the table is full.
bool MountLocks::Keep(uint64_t volume_id, const FileLocks& locks) {
  absl::MutexLock lock(&mutex_);
  if (!table_->Replace(volume_id, locks)) return false;
  if (locks.empty()) {
    held_.erase(volume_id);
  } else {
    held_[volume_id] = locks;
  }
  return true;
}

void MountLocks::Run() {
  while (true) {
    const bool is_told = TellAll();
    EndOwed(is_told);
    const std::optional<Change> change = Next(is_told);
    {
      absl::MutexLock lock(&mutex_);
      if (stopping_) return;
    }
    if (change) Carry(*change);
  }
}

// True: whoever serves knows what is held here.
bool MountLocks::TellAll() {
  const uint64_t serving = directory_.Serving();
  if (serving == 0) return false;
  if (serving == told_) return true;
  std::vector<VolumeLocks> all;
  {
    absl::ReaderMutexLock lock(&mutex_);
    for (const auto& [volume_id, locks] : held_) {
      all.push_back({.volume_id = volume_id, .locks = locks});
    }
  }
  const absl::StatusOr<std::vector<VolumeLocks>> lost = directory_.SetAllLocks(all);
  if (!lost.ok()) return false;
  NoteLost(*lost);
  told_ = serving;
  return true;
}

// Its programs cannot be told.
void MountLocks::NoteLost(const std::vector<VolumeLocks>& lost) {
  std::string text;
  for (const VolumeLocks& volume : lost) {
    FileLocks held = Held(volume.volume_id);
    for (const FileLock& lock : volume.locks) {
      text = fmt::format(
          "a lock of process {} on volume {} was given to another node while this one was taken for "
          "gone",
          lock.pid, volume.volume_id);
      spdlog::error("{}", text);
      std::erase(held, lock);
    }
    Keep(volume.volume_id, held);
  }
  if (!text.empty() && lost_) lost_(text);
}

// What there is to do now; nullopt after a while, or when it stops.
std::optional<MountLocks::Change> MountLocks::Next(bool is_told) {
  absl::MutexLock lock(&mutex_);
  const absl::Duration until = runtime_.BootTime() + (is_told ? kLookAgain : kAskAgain);
  while (!stopping_) {
    WakeWaiting();
    std::optional<Change> change = Take(is_told);
    if (change || runtime_.BootTime() >= until) return change;
    runtime_.WaitUntil(changed_, mutex_, until);
  }
  return std::nullopt;
}

void MountLocks::WakeWaiting() {
  const bool all = runtime_.BootTime() >= next_retry_;
  if (all) next_retry_ = runtime_.BootTime() + kRetryEvery;
  if (!all && freed_.empty()) return;
  std::deque<Change> still;
  for (Change& change : waiting_) {
    const bool is_due = all || freed_.contains(change.request.volume_id);
    (is_due ? queue_ : still).push_back(std::move(change));
  }
  waiting_ = std::move(still);
  freed_.clear();
}

// In their order; where nobody can be asked, only what is given back.
std::optional<MountLocks::Change> MountLocks::Take(bool is_told) {
  const auto found = std::find_if(queue_.begin(), queue_.end(), [&](const Change& change) {
    return is_told || change.kind != Kind::kLock;
  });
  if (found == queue_.end()) return std::nullopt;
  Change change = std::move(*found);
  queue_.erase(found);
  current_ = change.request.unique;
  interrupted_ = false;
  return change;
}

void MountLocks::Carry(const Change& change) {
  if (change.kind == Kind::kLock) {
    Grant(change);
  } else {
    GiveBack(change);
  }
}

void MountLocks::GiveBack(const Change& change) {
  const Request& request = change.request;
  FileLocks next = Held(request.volume_id);
  if (change.kind == Kind::kUnlock) next = WithoutRange(std::move(next), request.lock);
  if (change.kind == Kind::kClose) next = WithoutOwner(std::move(next), request.lock.owner);
  if (change.kind == Kind::kRelease) next = WithoutHandle(std::move(next), request.lock.handle);
  // To give back the middle of a range takes a place more.
  if (!Keep(request.volume_id, next)) return EndRequest(change, ENOLCK);
  if (told_ == 0 || !directory_.SetLocks(request.volume_id, next).ok()) told_ = 0;
  Retry(request.volume_id);
  if (told_ != 0) return EndRequest(change, 0);
  absl::MutexLock lock(&mutex_);
  current_ = 0;
  owed_.push_back({change, runtime_.BootTime() + kTellingPatience});
}

// What was given back here is known to whoever serves by now, or need not be.
void MountLocks::EndOwed(bool is_told) {
  std::vector<Change> ended;
  {
    absl::MutexLock lock(&mutex_);
    while (!owed_.empty() && (is_told || runtime_.BootTime() >= owed_.front().until)) {
      ended.push_back(owed_.front().change);
      owed_.pop_front();
    }
  }
  for (const Change& change : ended) EndRequest(change, 0);
}

void MountLocks::Grant(const Change& change) {
  const Request& request = change.request;
  const FileLocks held = Held(request.volume_id);
  if (FindConflict(held, request.lock)) return Refuse(change);
  const FileLocks next = WithLock(held, request.lock);
  const auto conflict = directory_.SetLocks(request.volume_id, next);
  if (absl::IsAborted(conflict.status())) return Postpone(change);
  if (!conflict.ok()) return EndRequest(change, ErrnoOf(conflict.status()));
  if (*conflict) return Refuse(change);
  if (!Keep(request.volume_id, next)) {
    told_ = 0;  // and so what was granted there is taken back
    spdlog::warn("a lock was refused: {} are held, which is the limit", LockTable::kEntries);
    return EndRequest(change, ENOLCK);
  }
  // An exclusive lock that became a shared one lets others in.
  Retry(request.volume_id);
  EndRequest(change, 0);
}

void MountLocks::Refuse(const Change& change) {
  if (!change.request.waits) return EndRequest(change, EAGAIN);
  if (change.request.lock.space == LockSpace::kFlock) GiveUpForConversion(change.request);
  {
    absl::MutexLock lock(&mutex_);
    if (!interrupted_) {
      current_ = 0;
      waiting_.push_back(change);
      return;
    }
  }
  EndRequest(change, EINTR);
}

// As flock(2): two holders of a shared lock that both want it exclusive do not wait for each other.
void MountLocks::GiveUpForConversion(const Request& request) {
  const FileLocks held = Held(request.volume_id);
  const FileLocks next = WithoutRange(held, request.lock);
  if (next == held || !Keep(request.volume_id, next)) return;
  if (!directory_.SetLocks(request.volume_id, next).ok()) told_ = 0;
  Retry(request.volume_id);
}

// Whether it took effect is not known: all is told before it is tried again.
void MountLocks::Postpone(const Change& change) {
  told_ = 0;
  {
    absl::MutexLock lock(&mutex_);
    if (!interrupted_) {
      current_ = 0;
      queue_.push_front(change);
      return;
    }
  }
  EndRequest(change, EINTR);
}

void MountLocks::EndRequest(const Change& change, int error) {
  {
    absl::MutexLock lock(&mutex_);
    current_ = 0;
  }
  if (change.request.unique != 0) answer_(change.request.unique, error);
}

}  // namespace baton::fs
