#include "fs/backlog.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "fs/mount_settings.h"
#include "fs/protocol.h"

namespace baton::fs {

namespace {

bool MayWait(Bytes request) {
  switch (reinterpret_cast<const fuse_in_header*>(request.data())->opcode) {
    case FUSE_FLUSH:
    case FUSE_SETLK:
    case FUSE_SETLKW:
      return false;
    default:
      return true;
  }
}

}  // namespace

Backlog::Admitted Backlog::Admit(Bytes request) {
  if (Claim()) return Admitted::kServe;
  if (!MayWait(request)) {
    ++served_;
    return Admitted::kServe;
  }
  Entry entry = MakeEntry(request);
  {
    absl::MutexLock lock(&mutex_);
    while (!closed_ && !HasRoom(entry.length)) runtime_.Wait(room_, mutex_);
    if (closed_) return Admitted::kKept;
    bytes_ += entry.length;
    entries_.push_back(std::move(entry));
    count_ = entries_.size();
  }
  return Claim() ? Admitted::kServeKept : Admitted::kKept;
}

bool Backlog::Claim() {
  size_t served = served_;
  while (served < most_served_) {
    if (served_.compare_exchange_weak(served, served + 1)) return true;
  }
  return false;
}

bool Backlog::Unclaim() {
  --served_;
  return count_ > 0 && Claim();
}

Backlog::Taken Backlog::Next(MutableBytes room) {
  Entry entry;
  while (true) {
    if (count_ == 0 || served_ > most_served_) {
      if (!Unclaim()) return {};
    }
    entry = TakeFirst();
    if (entry.length > 0) break;
  }
  std::memcpy(room.data(), entry.bytes.get(), entry.length);
  return {.length = entry.length,
          .interrupted = entry.interrupted,
          .queued = runtime_.BootTime() - entry.came};
}

// Without a length: there was none any more.
Backlog::Entry Backlog::TakeFirst() {
  absl::MutexLock lock(&mutex_);
  if (entries_.empty()) return {};
  Entry entry = std::move(entries_.front());
  entries_.pop_front();
  if (looked_at_ > 0) --looked_at_;
  Shrink(entry.length);
  return entry;
}

void Backlog::AwaitNeed() {
  absl::MutexLock lock(&mutex_);
  while (!need_ && !closed_) runtime_.Wait(needed_, mutex_);
}

void Backlog::SetNeed(bool need) {
  absl::MutexLock lock(&mutex_);
  need_ = need;
  if (need) needed_.Signal();
}

void Backlog::Close() {
  std::deque<Entry> left;  // freed after the lock
  absl::MutexLock lock(&mutex_);
  closed_ = true;
  left.swap(entries_);
  bytes_ = 0;
  count_ = 0;
  room_.SignalAll();
  needed_.SignalAll();
}

std::optional<Backlog::Kept> Backlog::Interrupt(uint64_t unique) {
  absl::MutexLock lock(&mutex_);
  const auto entry = Find(unique);
  if (entry == entries_.end()) return std::nullopt;
  entry->interrupted = true;
  return entry->kept;
}

std::vector<Backlog::Kept> Backlog::Some(size_t most) {
  std::vector<Kept> some;
  absl::MutexLock lock(&mutex_);
  if (looked_at_ >= entries_.size()) looked_at_ = 0;
  const size_t end = std::min(entries_.size(), looked_at_ + most);
  for (; looked_at_ < end; ++looked_at_) some.push_back(entries_[looked_at_].kept);
  return some;
}

void Backlog::Remember(const Kept& kept) {
  absl::MutexLock lock(&mutex_);
  const auto entry = Find(kept.unique);
  if (entry != entries_.end()) entry->kept.asker = kept.asker;
}

uint64_t Backlog::Remove(uint64_t unique) {
  Entry removed;  // freed after the lock
  absl::MutexLock lock(&mutex_);
  const auto entry = Find(unique);
  if (entry == entries_.end()) return 0;
  removed = std::move(*entry);
  entries_.erase(entry);
  Shrink(removed.length);
  return removed.received_unique;
}

std::vector<SlowRequest> Backlog::IoSince(absl::Duration before, size_t most) const {
  const absl::Duration now = runtime_.BootTime();
  std::vector<SlowRequest> found;
  absl::MutexLock lock(&mutex_);
  for (const Entry& entry : entries_) {
    if (entry.came > before || found.size() == most) break;
    const std::optional<HostIo> io = HostIoOf({entry.bytes.get(), entry.length});
    if (!io) continue;
    SlowRequest& request = found.emplace_back();
    request = {.io = *io, .came = entry.came, .total = now - entry.came, .doing = Spent::kQueued};
    request.spent[static_cast<size_t>(Spent::kQueued)] = request.total;
  }
  return found;
}

Backlog::Entry Backlog::MakeEntry(Bytes request) const {
  const auto& header = *reinterpret_cast<const fuse_in_header*>(request.data());
  Entry entry;
  entry.bytes = std::make_unique_for_overwrite<std::byte[]>(request.size());
  entry.length = request.size();
  entry.received_unique = header.unique;
  entry.came = runtime_.BootTime();
  entry.kept = {.unique = header.unique & ~kUniqueResent,
                .asker = AskerOf(request),
                .in_doubt = MayHaveBeenSent(request)};
  std::memcpy(entry.bytes.get(), request.data(), request.size());
  return entry;
}

bool Backlog::HasRoom(size_t length) const {
  return entries_.size() < kMaxBacklogRequests && bytes_ + length <= kMaxBacklogBytes;
}

std::deque<Backlog::Entry>::iterator Backlog::Find(uint64_t unique) {
  return std::find_if(entries_.begin(), entries_.end(),
                      [&](const Entry& entry) { return entry.kept.unique == unique; });
}

void Backlog::Shrink(size_t length) {
  bytes_ -= length;
  count_ = entries_.size();
  room_.SignalAll();
}

}  // namespace baton::fs
