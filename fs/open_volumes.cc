#include "fs/open_volumes.h"

#include <algorithm>

#include "engine/base/limits.h"
#include "engine/base/status.h"

namespace baton::fs {

OpenVolumes::OpenVolumes(VolumeDirectory& directory, OpenTable& table)
    : directory_(directory), table_(table) {}

void OpenVolumes::CountOpens() {
  table_.Load();
  for (const OpenTable::Open& open : table_.All()) {
    CountOpen(open.volume, nullptr, directory_.Hold(open.volume));
  }
}

void OpenVolumes::OpenCounted() {
  std::vector<uint64_t> ids;
  {
    absl::ReaderMutexLock lock(&mutex_);
    for (const auto& [id, volume] : volumes_) {
      if (volume->opens > 0) ids.push_back(id);
    }
  }
  for (const uint64_t id : ids) {
    const absl::StatusOr<Used> used = Get(id);
    std::shared_ptr<VolumeIo> closed;  // by a release meanwhile; destroyed after the lock
    absl::MutexLock lock(&mutex_);
    Volume& volume = Entry(id);
    if (volume.opens == 0) closed = std::move(volume.io);
  }
}

OpenVolumes::Used OpenVolumes::Find(uint64_t id) const {
  absl::ReaderMutexLock lock(&mutex_);
  const auto found = volumes_.find(id);
  if (found == volumes_.end()) return {};
  return {.io = found->second->io, .counters = &found->second->counters};
}

OpenVolumes::Volume& OpenVolumes::Entry(uint64_t id) {
  std::unique_ptr<Volume>& entry = volumes_[id];
  if (entry == nullptr) entry = std::make_unique<Volume>();
  return *entry;
}

absl::StatusOr<OpenVolumes::Used> OpenVolumes::Get(uint64_t id) {
  if (Used used = Find(id); used.io != nullptr) return used;
  BATON_ASSIGN_OR_RETURN(std::shared_ptr<VolumeIo> opened, directory_.Open(id));
  absl::MutexLock lock(&mutex_);
  Volume& volume = Entry(id);
  // Whoever was first wins; the other handle is closed here.
  if (volume.io == nullptr) volume.io = opened;
  return Used{.io = volume.io, .counters = &volume.counters};
}

absl::Status OpenVolumes::AddOpen(uint64_t id, uint64_t handle) {
  BATON_ASSIGN_OR_RETURN(Used used, Get(id));
  switch (table_.Add({.handle = handle, .volume = id})) {
    case OpenTable::Added::kNew:
      CountOpen(id, std::move(used.io), nullptr);
      break;
    case OpenTable::Added::kThereAlready:
      break;  // counted by CountOpens
    case OpenTable::Added::kFull:
      return Error(absl::StatusCode::kResourceExhausted, "{} files are open, which is the limit",
                   OpenTable::kEntries);
  }
  return absl::OkStatus();
}

void OpenVolumes::CountOpen(uint64_t id, std::shared_ptr<VolumeIo> io,
                            std::shared_ptr<const void> hold) {
  absl::MutexLock lock(&mutex_);
  Volume& volume = Entry(id);
  ++volume.opens;
  // A release may have come in between.
  if (volume.io == nullptr) volume.io = std::move(io);
  if (volume.hold == nullptr) volume.hold = std::move(hold);
}

void OpenVolumes::DropOpen(uint64_t id, uint64_t handle) {
  const bool was_open = table_.Remove(handle).has_value();
  std::shared_ptr<VolumeIo> closed;  // destroyed after the lock: closing may be I/O
  std::shared_ptr<const void> released;
  absl::MutexLock lock(&mutex_);
  Volume& volume = Entry(id);
  if (was_open) --volume.opens;
  if (volume.opens > 0) return;
  closed = std::move(volume.io);
  released = std::move(volume.hold);
}

std::vector<VolumeIoCounts> OpenVolumes::Counts() const {
  std::vector<VolumeIoCounts> counts;
  counts.reserve(limits::kMaxVolumes);  // before the lock, for which requests wait
  {
    absl::ReaderMutexLock lock(&mutex_);
    for (const auto& [id, volume] : volumes_) {
      const PerKind<IoCount> kinds = volume->counters.Load();
      const bool was_used =
          std::ranges::any_of(kinds, [](const IoCount& kind) { return kind.requests > 0; });
      if (was_used) counts.push_back({.volume_id = id, .kinds = kinds});
    }
  }
  std::ranges::sort(counts, {}, &VolumeIoCounts::volume_id);
  return counts;
}

}  // namespace baton::fs
