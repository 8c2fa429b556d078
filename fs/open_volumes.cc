#include "fs/open_volumes.h"

#include <vector>

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
    const absl::StatusOr<std::shared_ptr<VolumeIo>> io = Get(id);
    std::shared_ptr<VolumeIo> closed;  // by a release meanwhile; destroyed after the lock
    absl::MutexLock lock(&mutex_);
    Volume& volume = Entry(id);
    if (volume.opens == 0) closed = std::move(volume.io);
  }
}

std::shared_ptr<VolumeIo> OpenVolumes::Find(uint64_t id) const {
  absl::ReaderMutexLock lock(&mutex_);
  const auto found = volumes_.find(id);
  return found == volumes_.end() ? nullptr : found->second->io;
}

OpenVolumes::Volume& OpenVolumes::Entry(uint64_t id) {
  std::unique_ptr<Volume>& entry = volumes_[id];
  if (entry == nullptr) entry = std::make_unique<Volume>();
  return *entry;
}

absl::StatusOr<std::shared_ptr<VolumeIo>> OpenVolumes::Get(uint64_t id) {
  if (std::shared_ptr<VolumeIo> io = Find(id)) return io;
  BATON_ASSIGN_OR_RETURN(std::shared_ptr<VolumeIo> opened, directory_.Open(id));
  absl::MutexLock lock(&mutex_);
  Volume& volume = Entry(id);
  // Whoever was first wins; the other handle is closed here.
  if (volume.io == nullptr) volume.io = opened;
  return volume.io;
}

absl::Status OpenVolumes::AddOpen(uint64_t id, uint64_t handle) {
  BATON_ASSIGN_OR_RETURN(std::shared_ptr<VolumeIo> io, Get(id));
  switch (table_.Add({.handle = handle, .volume = id})) {
    case OpenTable::Added::kNew:
      CountOpen(id, std::move(io), nullptr);
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

}  // namespace baton::fs
