#include "cli/node/served_volumes.h"

#include <optional>
#include <utility>

#include "engine/base/status.h"

namespace baton {
namespace {

absl::Status NotOwner() { return absl::AbortedError("this controller does not own that epoch"); }

void Describe(const fs::VolumeEntry& entry, pair::Volume& volume) {
  volume.set_id(entry.id);
  volume.set_name(entry.name);
  volume.set_size_bytes(entry.size_bytes);
  volume.set_allocated_bytes(entry.allocated_bytes);
  volume.set_created_unix_us(entry.created_unix_us);
}

}  // namespace

void ServedVolumes::Begin(uint64_t epoch) {
  absl::MutexLock lock(&mutex_);
  epoch_ = epoch;
}

void ServedVolumes::End() {
  absl::flat_hash_map<std::string, Volumes> closed;  // after the lock
  absl::MutexLock lock(&mutex_);
  epoch_ = 0;
  closed.swap(open_);
}

void ServedVolumes::Forget(const std::string& peer) {
  Volumes closed;  // after the lock
  absl::MutexLock lock(&mutex_);
  const auto found = open_.find(peer);
  if (found == open_.end()) return;
  closed.swap(found->second);
  open_.erase(found);
}

absl::StatusOr<ServedVolumes::Io> ServedVolumes::Find(const std::string& peer,
                                                      const ha::ForwardScope& scope) {
  {
    absl::ReaderMutexLock lock(&mutex_);
    if (scope.epoch != epoch_ || epoch_ == 0) return NotOwner();
    const auto volumes = open_.find(peer);
    if (volumes != open_.end()) {
      const auto volume = volumes->second.find(scope.volume_id);
      if (volume != volumes->second.end()) return volume->second;
    }
  }
  return Open(peer, scope.epoch, scope.volume_id);
}

absl::StatusOr<ServedVolumes::Io> ServedVolumes::Open(const std::string& peer, uint64_t epoch,
                                                      uint64_t id) {
  BATON_ASSIGN_OR_RETURN(Io io, local_.Open(id));
  absl::MutexLock lock(&mutex_);
  if (epoch != epoch_) return NotOwner();
  Io& kept = open_[peer][id];
  if (kept == nullptr) kept = std::move(io);
  return kept;
}

absl::StatusOr<pair::Answer> ServedVolumes::Answer(const std::string& peer,
                                                   const pair::Call& call) {
  switch (call.body_case()) {
    case pair::Call::kListVolumes:
      return ListVolumes();
    case pair::Call::kCapacity:
      return GetCapacity();
    case pair::Call::kOpenVolume:
      return OpenFor(peer, call.open_volume().id());
    case pair::Call::kCloseVolume:
      return CloseFor(peer, call.close_volume().id());
    case pair::Call::kNextData:
      return NextData(call.next_data());
    case pair::Call::kControl:
    case pair::Call::kPrepare:
    case pair::Call::kActivated:
    case pair::Call::kContentChanged:
    case pair::Call::kStop:
    case pair::Call::kOffer:
    case pair::Call::BODY_NOT_SET:
      break;
  }
  return absl::UnimplementedError("no question about volumes");
}

absl::StatusOr<pair::Answer> ServedVolumes::ListVolumes() const {
  BATON_ASSIGN_OR_RETURN(const std::vector<fs::VolumeEntry> entries, local_.List());
  pair::Answer answer;
  pair::Volumes& volumes = *answer.mutable_volumes();
  for (const fs::VolumeEntry& entry : entries) Describe(entry, *volumes.add_volumes());
  return answer;
}

absl::StatusOr<pair::Answer> ServedVolumes::OpenFor(const std::string& peer, uint64_t id) {
  uint64_t epoch = 0;
  {
    absl::ReaderMutexLock lock(&mutex_);
    epoch = epoch_;
  }
  if (epoch == 0) return NotOwner();
  BATON_ASSIGN_OR_RETURN(const Io io, Open(peer, epoch, id));
  pair::Answer answer;
  answer.mutable_volume()->set_id(id);
  answer.mutable_volume()->set_size_bytes(io->size_bytes());
  return answer;
}

absl::StatusOr<pair::Answer> ServedVolumes::CloseFor(const std::string& peer, uint64_t id) {
  Io closed;  // after the lock
  absl::MutexLock lock(&mutex_);
  const auto volumes = open_.find(peer);
  if (volumes == open_.end()) return pair::Answer();
  const auto volume = volumes->second.find(id);
  if (volume == volumes->second.end()) return pair::Answer();
  closed.swap(volume->second);
  volumes->second.erase(volume);
  return pair::Answer();
}

absl::StatusOr<pair::Answer> ServedVolumes::NextData(const pair::Place& place) const {
  BATON_ASSIGN_OR_RETURN(const std::optional<DataRange> found,
                         local_.NextData(place.id(), place.offset()));
  pair::Answer answer;
  pair::Range& range = *answer.mutable_range();
  range.set_found(found.has_value());
  if (found) range.set_begin(found->begin), range.set_end(found->end);
  return answer;
}

absl::StatusOr<pair::Answer> ServedVolumes::GetCapacity() const {
  BATON_ASSIGN_OR_RETURN(const fs::Capacity capacity, local_.GetCapacity());
  pair::Answer answer;
  answer.mutable_capacity()->set_total_bytes(capacity.total_bytes);
  answer.mutable_capacity()->set_free_bytes(capacity.free_bytes);
  return answer;
}

absl::Status ServedVolumes::Read(const std::string& peer, const ha::ForwardScope& scope,
                                 uint64_t offset, MutableBytes out) {
  BATON_ASSIGN_OR_RETURN(const Io io, Find(peer, scope));
  return io->Read(offset, out);
}

absl::Status ServedVolumes::Write(const std::string& peer, const ha::ForwardScope& scope,
                                  uint64_t offset, Bytes data) {
  BATON_ASSIGN_OR_RETURN(const Io io, Find(peer, scope));
  return io->Write(offset, data);
}

absl::Status ServedVolumes::Flush(const std::string& peer, const ha::ForwardScope& scope) {
  BATON_ASSIGN_OR_RETURN(const Io io, Find(peer, scope));
  return io->Flush();
}

absl::Status ServedVolumes::Discard(const std::string& peer, const ha::ForwardScope& scope,
                                    uint64_t offset, uint64_t length_bytes) {
  BATON_ASSIGN_OR_RETURN(const Io io, Find(peer, scope));
  return io->Discard(offset, length_bytes);
}

}  // namespace baton
