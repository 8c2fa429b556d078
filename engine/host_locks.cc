#include "engine/host_locks.h"

#include <algorithm>
#include <utility>

#include "engine/base/file_lock_codec.h"
#include "engine/base/status.h"

namespace baton {
namespace {

LockRecord RecordOf(const std::string& node, const VolumeLocks& held) {
  LockRecord record;
  record.set_volume_id(held.volume_id);
  record.set_node(node);
  for (const FileLock& lock : held.locks) *record.add_locks() = RecordOf(lock);
  return record;
}

// Nothing of `now` was not held before. Such a change need not be durable: a node tells the next
// owner what it holds.
bool OnlyGivesBack(const FileLocks& before, const FileLocks& now) {
  return std::all_of(now.begin(), now.end(), [&](const FileLock& lock) {
    return std::any_of(before.begin(), before.end(), [&](const FileLock& held) {
      return held.space == lock.space && held.owner == lock.owner &&
             held.exclusive == lock.exclusive && held.first <= lock.first &&
             lock.last <= held.last;
    });
  });
}

}  // namespace

HostLocks::HostLocks(Catalog& catalog, Runtime& runtime, Fault& fault,
                     std::function<void(uint64_t volume_id)> freed)
    : catalog_(catalog), fault_(fault), freed_(std::move(freed)), changes_(runtime) {}

absl::Status HostLocks::Load() {
  BATON_ASSIGN_OR_RETURN(const std::vector<LockRecord> records, catalog_.LoadLocks());
  absl::MutexLock lock(&mutex_);
  for (const LockRecord& record : records) {
    held_[record.volume_id()][record.node()] = LocksOf(record.locks());
    // Who was refused by the owner before may still want it.
    refused_.insert(record.volume_id());
  }
  return absl::OkStatus();
}

absl::StatusOr<std::optional<FileLock>> HostLocks::Set(const LockTeller& teller, uint64_t volume_id,
                                                       const FileLocks& locks) {
  const std::string& node = teller.node;
  SleepLock::Guard guard(changes_);
  {
    absl::MutexLock lock(&mutex_);
    const auto last = told_.find(node);
    if (last == told_.end() || last->second.boot_id != teller.boot_id) {
      return absl::AbortedError("the node must tell first all locks that it holds");
    }
    if (teller.order <= last->second.order) return absl::AbortedError("the node told more since");
    last->second.order = teller.order;
    for (const FileLock& wanted : locks) {
      const std::optional<FileLock> other = FindOther(node, volume_id, wanted);
      if (!other) continue;
      refused_.insert(volume_id);
      return other;
    }
  }
  const Durable durable =
      OnlyGivesBack(HeldBy(node, volume_id), locks) ? Durable::kNo : Durable::kYes;
  BATON_RETURN_IF_ERROR(Store(node, {{.volume_id = volume_id, .locks = locks}}, durable));
  return std::nullopt;
}

absl::StatusOr<std::vector<VolumeLocks>> HostLocks::SetAll(const LockTeller& teller,
                                                           const std::vector<VolumeLocks>& all) {
  SleepLock::Guard guard(changes_);
  {
    absl::MutexLock lock(&mutex_);
    LockTeller& last = told_[teller.node];
    if (last.boot_id == teller.boot_id && teller.order <= last.order) {
      return absl::AbortedError("the node told more since");
    }
    last = teller;
  }
  return Replace(teller.node, all);
}

absl::StatusOr<std::vector<VolumeLocks>> HostLocks::Replace(const std::string& node,
                                                            const std::vector<VolumeLocks>& all) {
  std::vector<VolumeLocks> changes;
  std::vector<VolumeLocks> lost;
  for (VolumeLocks& before : AllOf(node)) {
    changes.push_back({.volume_id = before.volume_id, .locks = {}});
  }
  for (const VolumeLocks& told : all) {
    VolumeLocks kept{.volume_id = told.volume_id, .locks = {}};
    VolumeLocks gone{.volume_id = told.volume_id, .locks = {}};
    for (const FileLock& lock : told.locks) {
      (Find(node, told.volume_id, lock) ? gone : kept).locks.push_back(lock);
    }
    std::erase_if(changes, [&](const VolumeLocks& change) {
      return change.volume_id == told.volume_id;
    });
    changes.push_back(std::move(kept));
    if (!gone.locks.empty()) lost.push_back(std::move(gone));
  }
  BATON_RETURN_IF_ERROR(Store(node, changes, Durable::kYes));
  return lost;
}

absl::Status HostLocks::Drop(const std::string& node) {
  SleepLock::Guard guard(changes_);
  {
    absl::MutexLock lock(&mutex_);
    told_.erase(node);
  }
  return Replace(node, {}).status();
}

absl::Status HostLocks::DropOthers(const std::vector<std::string>& nodes) {
  std::set<std::string> others;
  {
    absl::ReaderMutexLock lock(&mutex_);
    for (const auto& [volume_id, by_node] : held_) {
      for (const auto& [node, locks] : by_node) others.insert(node);
    }
  }
  for (const std::string& node : nodes) others.erase(node);
  for (const std::string& node : others) BATON_RETURN_IF_ERROR(Drop(node));
  return absl::OkStatus();
}

std::optional<FileLock> HostLocks::Find(const std::string& node, uint64_t volume_id,
                                        const FileLock& wanted) const {
  absl::ReaderMutexLock lock(&mutex_);
  return FindOther(node, volume_id, wanted);
}

std::optional<FileLock> HostLocks::FindOther(const std::string& node, uint64_t volume_id,
                                             const FileLock& wanted) const {
  const auto volume = held_.find(volume_id);
  if (volume == held_.end()) return std::nullopt;
  for (const auto& [name, locks] : volume->second) {
    if (name == node) continue;
    if (const auto conflict = FindForeignConflict(locks, wanted)) return conflict;
  }
  return std::nullopt;
}

FileLocks HostLocks::HeldBy(const std::string& node, uint64_t volume_id) const {
  absl::ReaderMutexLock lock(&mutex_);
  const auto volume = held_.find(volume_id);
  if (volume == held_.end()) return {};
  const auto found = volume->second.find(node);
  return found == volume->second.end() ? FileLocks() : found->second;
}

std::vector<VolumeLocks> HostLocks::AllOf(const std::string& node) const {
  absl::ReaderMutexLock lock(&mutex_);
  std::vector<VolumeLocks> all;
  for (const auto& [volume_id, by_node] : held_) {
    const auto found = by_node.find(node);
    if (found != by_node.end()) all.push_back({.volume_id = volume_id, .locks = found->second});
  }
  return all;
}

absl::Status HostLocks::Store(const std::string& node, const std::vector<VolumeLocks>& changes,
                              Durable durable) {
  MetaBatch batch;
  for (const VolumeLocks& change : changes) {
    if (HeldBy(node, change.volume_id) == change.locks) continue;
    catalog_.PutLocks(batch, RecordOf(node, change));
  }
  if (batch.empty()) return absl::OkStatus();
  const absl::Status stored = catalog_.Commit(std::move(batch), durable);
  if (!stored.ok()) return fault_.Report(stored);
  for (const VolumeLocks& change : changes) Keep(node, change);
  return absl::OkStatus();
}

void HostLocks::Keep(const std::string& node, const VolumeLocks& change) {
  bool is_freed = false;
  {
    absl::MutexLock lock(&mutex_);
    ByNode& by_node = held_[change.volume_id];
    FileLocks& held = by_node[node];
    if (!OnlyGivesBack(change.locks, held)) is_freed = refused_.erase(change.volume_id) > 0;
    held = change.locks;
    if (held.empty()) by_node.erase(node);
    if (by_node.empty()) held_.erase(change.volume_id);
  }
  if (is_freed && freed_) freed_(change.volume_id);
}

std::vector<std::string> HostLocks::Holders(uint64_t volume_id) const {
  absl::ReaderMutexLock lock(&mutex_);
  std::vector<std::string> nodes;
  const auto volume = held_.find(volume_id);
  if (volume == held_.end()) return nodes;
  for (const auto& [node, locks] : volume->second) nodes.push_back(node);
  return nodes;
}

void HostLocks::Forget(MetaBatch& batch, uint64_t volume_id) {
  absl::MutexLock lock(&mutex_);
  if (held_.erase(volume_id) > 0) catalog_.DropLocks(batch, volume_id);
  refused_.erase(volume_id);
}

}  // namespace baton
