#include "ha/volumes/served_volumes.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "engine/base/limits.h"
#include "engine/base/status.h"
#include "ha/io/eviction_status.h"
#include "ha/volumes/lock_codec.h"

namespace baton::ha {
namespace {

// Names in one answer: some 100 KiB.
constexpr uint64_t kMostNames = 1024;

absl::Status NotOwner() { return absl::AbortedError("this controller does not own that epoch"); }

void Describe(const VolumeEntry& entry, peer_api::Volume& volume) {
  volume.set_id(entry.id);
  volume.set_name(entry.name);
  volume.set_size_bytes(entry.size_bytes);
  volume.set_allocated_bytes(entry.allocated_bytes);
  volume.set_created_unix_us(entry.created_unix_us);
  volume.set_changed_unix_us(entry.changed_unix_us);
}

}  // namespace

void ServedVolumes::Begin(uint64_t epoch, const std::vector<EvictionRecord>& evicted) {
  absl::MutexLock lock(&mutex_);
  epoch_ = epoch;
  evicted_.clear();
  for (const EvictionRecord& eviction : evicted) evicted_[eviction.node()] = eviction.id();
}

void ServedVolumes::End() {
  absl::flat_hash_map<std::string, PeerOpens> closed;  // after the lock
  absl::MutexLock lock(&mutex_);
  epoch_ = 0;
  evicted_.clear();
  closed.swap(open_);
}

bool ServedVolumes::HasTold(const std::string& peer) const {
  absl::ReaderMutexLock lock(&mutex_);
  if (evicted_.contains(peer)) return true;  // it has nothing open
  const auto found = open_.find(peer);
  return found != open_.end() && found->second.told();
}

void ServedVolumes::Forget(const std::string& peer) {
  PeerOpens closed;  // after the lock
  absl::MutexLock lock(&mutex_);
  closed = TakeOpens(peer);
}

PeerOpens ServedVolumes::TakeOpens(const std::string& peer) {
  const auto found = open_.find(peer);
  if (found == open_.end()) return {};
  PeerOpens taken = std::move(found->second);
  open_.erase(found);
  return taken;
}

bool ServedVolumes::serves() const {
  absl::ReaderMutexLock lock(&mutex_);
  return epoch_ != 0;
}

absl::Status ServedVolumes::Evict(const EvictionRecord& eviction) {
  PeerOpens closed;  // after the lock
  absl::MutexLock lock(&mutex_);
  if (epoch_ == 0) return NotOwner();
  evicted_[eviction.node()] = eviction.id();
  closed = TakeOpens(eviction.node());
  return absl::OkStatus();
}

void ServedVolumes::Readmit(const std::string& peer, uint64_t eviction) {
  absl::MutexLock lock(&mutex_);
  const auto found = evicted_.find(peer);
  if (found != evicted_.end() && found->second == eviction) evicted_.erase(found);
}

uint64_t ServedVolumes::EvictionOfPeer(const std::string& peer) const {
  absl::ReaderMutexLock lock(&mutex_);
  const auto found = evicted_.find(peer);
  return found == evicted_.end() ? 0 : found->second;
}

std::vector<std::string> ServedVolumes::Evicted() const {
  absl::ReaderMutexLock lock(&mutex_);
  std::vector<std::string> peers;
  for (const auto& [peer, eviction] : evicted_) peers.push_back(peer);
  return peers;
}

absl::Status ServedVolumes::CheckAdmitted(const std::string& peer) const {
  const auto found = evicted_.find(peer);
  return found == evicted_.end() ? absl::OkStatus() : EvictedError(peer, found->second);
}

absl::Status ServedVolumes::CheckStill(const std::string& peer, uint64_t epoch) const {
  return epoch == epoch_ ? CheckAdmitted(peer) : NotOwner();
}

absl::StatusOr<uint64_t> ServedVolumes::EpochFor(const std::string& peer) const {
  absl::ReaderMutexLock lock(&mutex_);
  if (epoch_ == 0) return NotOwner();
  BATON_RETURN_IF_ERROR(CheckAdmitted(peer));
  return epoch_;
}

absl::StatusOr<ServedVolumes::Io> ServedVolumes::Find(const std::string& peer,
                                                      const ForwardScope& scope) {
  {
    absl::ReaderMutexLock lock(&mutex_);
    if (scope.epoch != epoch_ || epoch_ == 0) return NotOwner();
    const auto opens = open_.find(peer);
    if (opens != open_.end()) {
      if (Io io = opens->second.Find(scope.volume_id)) return io;
    }
  }
  return OpenUntold(peer, scope);
}

// A request that comes before its peer has told what it has open, or from one that is evicted.
absl::StatusOr<ServedVolumes::Io> ServedVolumes::OpenUntold(const std::string& peer,
                                                            const ForwardScope& scope) {
  BATON_RETURN_IF_ERROR(EpochFor(peer).status());
  BATON_ASSIGN_OR_RETURN(const Io io, local_.Open(scope.volume_id));
  absl::MutexLock lock(&mutex_);
  BATON_RETURN_IF_ERROR(CheckStill(peer, scope.epoch));
  open_[peer].NoteUse(scope.volume_id, io);
  return io;
}

absl::StatusOr<peer_api::Answer> ServedVolumes::Answer(const std::string& peer,
                                                       const peer_api::Call& call) {
  switch (call.body_case()) {
    case peer_api::Call::kListVolumes:
      return ListVolumes(call.list_volumes());
    case peer_api::Call::kFindVolume:
      return FindVolume(call.find_volume());
    case peer_api::Call::kCapacity:
      return GetCapacity();
    case peer_api::Call::kOpenVolume:
      return OpenFor(peer, call.open_volume());
    case peer_api::Call::kCloseVolume:
      return CloseFor(peer, call.close_volume());
    case peer_api::Call::kOpenSet:
      return TakeOpenSet(peer, call.open_set());
    case peer_api::Call::kNextData:
      return NextData(call.next_data());
    case peer_api::Call::kLocks:
      return SetLocks(peer, call.locks());
    case peer_api::Call::kAllLocks:
      return SetAllLocks(peer, call.all_locks());
    case peer_api::Call::kFindLock:
      return FindLock(peer, call.find_lock());
    case peer_api::Call::kControl:
    case peer_api::Call::kPrepare:
    case peer_api::Call::kActivated:
    case peer_api::Call::kContentChanged:
    case peer_api::Call::kLockFreed:
    case peer_api::Call::kStop:
    case peer_api::Call::kOffer:
    case peer_api::Call::BODY_NOT_SET:
      break;
  }
  return absl::UnimplementedError("no question about volumes");
}

absl::StatusOr<peer_api::Answer> ServedVolumes::ListVolumes(
    const peer_api::ListVolumes& question) const {
  if (question.limit() == 0) return ListAll();
  BATON_ASSIGN_OR_RETURN(
      const std::vector<VolumeName> names,
      local_.List(question.after_id(), std::min<uint64_t>(question.limit(), kMostNames)));
  peer_api::Answer answer;
  answer.mutable_volumes();
  for (const VolumeName& name : names) {
    peer_api::Volume& volume = *answer.mutable_volumes()->add_volumes();
    volume.set_id(name.id);
    volume.set_name(name.name);
  }
  return answer;
}

// For older versions, which have no other question.
absl::StatusOr<peer_api::Answer> ServedVolumes::ListAll() const {
  BATON_ASSIGN_OR_RETURN(const std::vector<VolumeName> names, local_.List(0, limits::kMaxVolumes));
  peer_api::Answer answer;
  answer.mutable_volumes();
  for (const VolumeName& name : names) {
    const absl::StatusOr<VolumeEntry> entry = local_.Get(name.id);
    if (absl::IsNotFound(entry.status())) continue;  // deleted meanwhile
    BATON_RETURN_IF_ERROR(entry.status());
    Describe(*entry, *answer.mutable_volumes()->add_volumes());
  }
  return answer;
}

absl::StatusOr<peer_api::Answer> ServedVolumes::FindVolume(const peer_api::Volume& wanted) const {
  BATON_ASSIGN_OR_RETURN(const VolumeEntry entry,
                         wanted.id() != 0 ? local_.Get(wanted.id()) : local_.Lookup(wanted.name()));
  peer_api::Answer answer;
  Describe(entry, *answer.mutable_volume());
  return answer;
}

absl::StatusOr<peer_api::Answer> ServedVolumes::OpenFor(const std::string& peer,
                                                        const peer_api::OpenChange& change) {
  BATON_ASSIGN_OR_RETURN(const uint64_t epoch, EpochFor(peer));
  BATON_ASSIGN_OR_RETURN(const Io io, local_.Open(change.id()));
  absl::MutexLock lock(&mutex_);
  BATON_RETURN_IF_ERROR(CheckStill(peer, epoch));
  if (!open_[peer].Open(change, io)) return absl::AbortedError("tell first what is open");
  peer_api::Answer answer;
  answer.mutable_volume()->set_id(change.id());
  answer.mutable_volume()->set_size_bytes(io->size_bytes());
  return answer;
}

absl::StatusOr<peer_api::Answer> ServedVolumes::CloseFor(const std::string& peer,
                                                         const peer_api::OpenChange& change) {
  Io closed;  // after the lock
  absl::MutexLock lock(&mutex_);
  if (evicted_.contains(peer)) return peer_api::Answer();  // it is
  closed = open_[peer].Close(change);
  return peer_api::Answer();
}

absl::StatusOr<peer_api::Answer> ServedVolumes::TakeOpenSet(const std::string& peer,
                                                            const peer_api::OpenSet& set) {
  BATON_ASSIGN_OR_RETURN(const uint64_t epoch, EpochFor(peer));
  BATON_ASSIGN_OR_RETURN(PeerOpens::Handles opened, OpenAll(peer, set));
  std::vector<Io> closed;  // after the lock
  absl::MutexLock lock(&mutex_);
  BATON_RETURN_IF_ERROR(CheckStill(peer, epoch));
  closed = open_[peer].Replace(set, opened);
  return peer_api::Answer();
}

absl::StatusOr<PeerOpens::Handles> ServedVolumes::OpenAll(const std::string& peer,
                                                          const peer_api::OpenSet& set) {
  PeerOpens::Handles opened;
  for (const uint64_t id : set.ids()) {
    absl::StatusOr<Io> io = local_.Open(id);
    if (absl::IsNotFound(io.status())) {
      spdlog::warn("node {} has volume {} open, which does not exist", peer, id);
      continue;
    }
    BATON_RETURN_IF_ERROR(io.status());
    opened[id] = *std::move(io);
  }
  return opened;
}

absl::Status ServedVolumes::CheckEpoch(const std::string& peer, uint64_t epoch) const {
  absl::ReaderMutexLock lock(&mutex_);
  return epoch_ == 0 ? NotOwner() : CheckStill(peer, epoch);
}

absl::StatusOr<peer_api::Answer> ServedVolumes::SetLocks(const std::string& peer,
                                                         const peer_api::LockSet& set) {
  BATON_RETURN_IF_ERROR(CheckEpoch(peer, set.epoch()));
  BATON_ASSIGN_OR_RETURN(
      const std::optional<FileLock> conflict,
      locks_.SetLocksOf({.node = peer, .boot_id = set.boot_id(), .order = set.order()},
                        set.volume_id(), LocksOf(set.locks())));
  peer_api::Answer answer;
  if (conflict) *answer.mutable_lock() = RecordOf(*conflict);
  return answer;
}

absl::StatusOr<peer_api::Answer> ServedVolumes::SetAllLocks(const std::string& peer,
                                                            const peer_api::AllLocks& all) {
  BATON_RETURN_IF_ERROR(CheckEpoch(peer, all.epoch()));
  BATON_ASSIGN_OR_RETURN(
      const std::vector<VolumeLocks> lost,
      locks_.SetAllLocksOf({.node = peer, .boot_id = all.boot_id(), .order = all.order()},
                           Decode(all)));
  // An eviction that came meanwhile has dropped what was there before.
  const absl::Status still = CheckEpoch(peer, all.epoch());
  if (EvictionOf(still)) BATON_RETURN_IF_ERROR(locks_.DropLocksOf(peer));
  BATON_RETURN_IF_ERROR(still);
  peer_api::Answer answer;
  *answer.mutable_lost_locks() = Encode(lost);
  return answer;
}

absl::StatusOr<peer_api::Answer> ServedVolumes::FindLock(
    const std::string& peer, const peer_api::LockQuestion& question) const {
  BATON_ASSIGN_OR_RETURN(const std::optional<FileLock> found,
                         locks_.FindLockFor(peer, question.volume_id(), LockOf(question.wanted())));
  peer_api::Answer answer;
  if (found) *answer.mutable_lock() = RecordOf(*found);
  return answer;
}

absl::StatusOr<peer_api::Answer> ServedVolumes::NextData(const peer_api::Place& place) const {
  BATON_ASSIGN_OR_RETURN(const std::optional<DataRange> found,
                         local_.NextData(place.id(), place.offset()));
  peer_api::Answer answer;
  peer_api::Range& range = *answer.mutable_range();
  range.set_found(found.has_value());
  if (found) range.set_begin(found->begin), range.set_end(found->end);
  return answer;
}

absl::StatusOr<peer_api::Answer> ServedVolumes::GetCapacity() const {
  BATON_ASSIGN_OR_RETURN(const Capacity capacity, local_.GetCapacity());
  peer_api::Answer answer;
  answer.mutable_capacity()->set_total_bytes(capacity.total_bytes);
  answer.mutable_capacity()->set_free_bytes(capacity.free_bytes);
  answer.mutable_capacity()->set_volumes(capacity.volumes);
  return answer;
}

absl::Status ServedVolumes::Read(const std::string& peer, const ForwardScope& scope,
                                 uint64_t offset, MutableBytes out) {
  BATON_ASSIGN_OR_RETURN(const Io io, Find(peer, scope));
  return io->Read(offset, out);
}

absl::Status ServedVolumes::Write(const std::string& peer, const ForwardScope& scope,
                                  uint64_t offset, Bytes data) {
  BATON_ASSIGN_OR_RETURN(const Io io, Find(peer, scope));
  return io->Write(offset, data);
}

absl::Status ServedVolumes::Flush(const std::string& peer, const ForwardScope& scope) {
  BATON_ASSIGN_OR_RETURN(const Io io, Find(peer, scope));
  return io->Flush();
}

absl::Status ServedVolumes::Discard(const std::string& peer, const ForwardScope& scope,
                                    uint64_t offset, uint64_t length_bytes) {
  // An older version sends a discard of any length: it ends with the epoch, not after it.
  const uint64_t end = offset + length_bytes;
  do {
    BATON_ASSIGN_OR_RETURN(const Io io, Find(peer, scope));
    const uint64_t next = std::min(end, offset + limits::kDiscardPieceBytes);
    BATON_RETURN_IF_ERROR(io->Discard(offset, next - offset));
    offset = next;
  } while (offset < end);
  return absl::OkStatus();
}

}  // namespace baton::ha
