#include "ha/volumes/remote_volumes.h"

#include <algorithm>
#include <utility>

#include "engine/base/host_request.h"
#include "engine/base/status.h"
#include "ha/io/eviction_status.h"
#include "ha/io/not_sent.h"
#include "ha/io/peer_api_codec.h"
#include "ha/volumes/lock_codec.h"

namespace baton::ha {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(2);

// That a peer is gone, or took too long, is no answer to a request for a volume.
absl::Status AsNoAnswer(const absl::Status& status) {
  const bool gone = absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status);
  return gone ? absl::AbortedError(Message(status)) : status;
}

VolumeEntry EntryOf(const peer_api::Volume& volume) {
  return {.id = volume.id(),
          .name = volume.name(),
          .size_bytes = volume.size_bytes(),
          .allocated_bytes = volume.allocated_bytes(),
          .created_unix_us = volume.created_unix_us(),
          .changed_unix_us = volume.changed_unix_us()};
}

void Describe(uint64_t id, uint64_t order, const std::string& boot_id,
              peer_api::OpenChange& change) {
  change.set_id(id);
  change.set_order(order);
  change.set_boot_id(boot_id);
}

// An open volume: its requests are forwarded. A change that was sent and had no answer is in doubt.
class RemoteVolume final : public VolumeIo {
 public:
  RemoteVolume(Runtime& runtime, ForwardClient& client, ForwardScope scope, uint64_t size_bytes)
      : runtime_(runtime), client_(client), scope_(scope), size_bytes_(size_bytes) {}

  uint64_t size_bytes() const override { return size_bytes_; }
  absl::Status Read(uint64_t offset, MutableBytes out) override {
    return OfPeer([&] { return AsNoAnswer(client_.Read(scope_, offset, out)); });
  }
  absl::Status Write(uint64_t offset, Bytes data) override {
    return OfPeer([&] { return OfChange(client_.Write(scope_, offset, data)); });
  }
  absl::Status Flush() override {
    return OfPeer([&] { return AsNoAnswer(client_.Flush(scope_)); });
  }
  absl::Status Discard(uint64_t offset, uint64_t length_bytes) override {
    return OfPeer([&] { return OfChange(client_.Discard(scope_, offset, length_bytes)); });
  }

 private:
  template <typename Call>
  absl::Status OfPeer(const Call& call) {
    const HostRequest::Spending spending(runtime_, Spent::kPeer);
    return call();
  }

  absl::Status OfChange(const absl::Status& status) {
    HostRequest* const request = HostRequest::Current();
    if (absl::IsUnavailable(status) && !WasNeverSent(status) && request != nullptr) {
      request->NoteUnanswered(runtime_.BootTime());
    }
    return AsNoAnswer(status);
  }

  Runtime& runtime_;
  ForwardClient& client_;
  const ForwardScope scope_;
  const uint64_t size_bytes_;
};

}  // namespace

absl::StatusOr<peer_api::Answer> RemoteVolumes::Ask(const peer_api::Call& call) const {
  const absl::StatusOr<std::string> bytes =
      network_.Call(peer_, call.SerializeAsString(), kPatience);
  if (!bytes.ok()) return AsNoAnswer(bytes.status());
  return ParseAnswer(*bytes);
}

// An owner of an older version answers with all, whatever was asked for.
absl::StatusOr<std::vector<VolumeName>> RemoteVolumes::List(uint64_t after_id, size_t limit) const {
  peer_api::Call call;
  call.mutable_list_volumes()->set_after_id(after_id);
  call.mutable_list_volumes()->set_limit(limit);
  BATON_ASSIGN_OR_RETURN(const peer_api::Answer answer, Ask(call));
  std::vector<VolumeName> names;
  for (const peer_api::Volume& volume : answer.volumes().volumes()) {
    if (volume.id() > after_id) names.push_back({.id = volume.id(), .name = volume.name()});
  }
  std::sort(names.begin(), names.end(),
            [](const VolumeName& a, const VolumeName& b) { return a.id < b.id; });
  if (names.size() > limit) names.resize(limit);
  return names;
}

absl::StatusOr<VolumeEntry> RemoteVolumes::Lookup(const std::string& name) const {
  peer_api::Volume wanted;
  wanted.set_name(name);
  return Find(wanted);
}

absl::StatusOr<VolumeEntry> RemoteVolumes::Get(uint64_t id) const {
  peer_api::Volume wanted;
  wanted.set_id(id);
  return Find(wanted);
}

absl::StatusOr<VolumeEntry> RemoteVolumes::Find(const peer_api::Volume& wanted) const {
  peer_api::Call call;
  *call.mutable_find_volume() = wanted;
  const absl::StatusOr<peer_api::Answer> answer = Ask(call);
  if (absl::IsUnimplemented(answer.status())) return FindAmongAll(wanted);
  BATON_RETURN_IF_ERROR(answer.status());
  return EntryOf(answer->volume());
}

// Of an owner of an older version.
absl::StatusOr<VolumeEntry> RemoteVolumes::FindAmongAll(const peer_api::Volume& wanted) const {
  peer_api::Call call;
  call.mutable_list_volumes();
  BATON_ASSIGN_OR_RETURN(const peer_api::Answer answer, Ask(call));
  for (const peer_api::Volume& volume : answer.volumes().volumes()) {
    if (wanted.id() != 0 ? volume.id() == wanted.id() : volume.name() == wanted.name()) {
      return EntryOf(volume);
    }
  }
  return absl::NotFoundError("there is no such volume");
}

absl::StatusOr<std::shared_ptr<VolumeIo>> RemoteVolumes::Open(uint64_t id) {
  return OpenInOrder(id, 0);
}

absl::StatusOr<std::shared_ptr<VolumeIo>> RemoteVolumes::OpenInOrder(uint64_t id, uint64_t order) {
  const uint64_t epoch = epoch_;
  peer_api::Call call;
  Describe(id, order, boot_id_, *call.mutable_open_volume());
  absl::StatusOr<peer_api::Answer> asked = Ask(call);
  // It is open again when the eviction has ended, or never, when it ends the mount.
  if (EvictionOf(asked.status())) return absl::AbortedError(Message(asked.status()));
  BATON_ASSIGN_OR_RETURN(const peer_api::Answer answer, std::move(asked));
  return std::make_shared<RemoteVolume>(runtime_, *network_.forward(peer_), ForwardScope{epoch, id},
                                        answer.volume().size_bytes());
}

absl::Status RemoteVolumes::CloseInOrder(uint64_t id, uint64_t order) {
  peer_api::Call call;
  Describe(id, order, boot_id_, *call.mutable_close_volume());
  return Ask(call).status();
}

absl::Status RemoteVolumes::TellOpen(const std::vector<uint64_t>& ids, uint64_t order) {
  peer_api::OpenSet set;
  set.mutable_ids()->Assign(ids.begin(), ids.end());
  return TellSet(std::move(set), order);
}

absl::Status RemoteVolumes::EndEviction(uint64_t eviction, uint64_t order) {
  peer_api::OpenSet set;
  set.set_ended_eviction(eviction);
  return TellSet(std::move(set), order);
}

absl::Status RemoteVolumes::TellSet(peer_api::OpenSet set, uint64_t order) {
  set.set_order(order);
  set.set_boot_id(boot_id_);
  peer_api::Call call;
  *call.mutable_open_set() = std::move(set);
  const absl::Status told = Ask(call).status();
  return absl::IsUnimplemented(told) ? absl::OkStatus() : told;
}

// An owner of an older version knows no locks: they stay the node's own.
absl::StatusOr<std::optional<FileLock>> RemoteVolumes::AskForLock(
    const peer_api::Call& call) const {
  const absl::StatusOr<peer_api::Answer> answer = Ask(call);
  if (absl::IsUnimplemented(answer.status())) return std::nullopt;
  BATON_RETURN_IF_ERROR(answer.status());
  if (!answer->has_lock()) return std::nullopt;
  return LockOf(answer->lock());
}

absl::StatusOr<std::optional<FileLock>> RemoteVolumes::SetLocksInOrder(uint64_t id,
                                                                       const FileLocks& locks,
                                                                       uint64_t order) {
  peer_api::Call call;
  peer_api::LockSet& set = *call.mutable_locks();
  set.set_epoch(epoch_);
  set.set_order(order);
  set.set_boot_id(boot_id_);
  set.set_volume_id(id);
  for (const FileLock& lock : locks) *set.add_locks() = RecordOf(lock);
  return AskForLock(call);
}

absl::StatusOr<std::vector<VolumeLocks>> RemoteVolumes::SetAllLocksInOrder(
    const std::vector<VolumeLocks>& all, uint64_t order) {
  peer_api::Call call;
  peer_api::AllLocks& told = *call.mutable_all_locks();
  told = Encode(all);
  told.set_epoch(epoch_);
  told.set_order(order);
  told.set_boot_id(boot_id_);
  const absl::StatusOr<peer_api::Answer> answer = Ask(call);
  if (absl::IsUnimplemented(answer.status())) return std::vector<VolumeLocks>();
  BATON_RETURN_IF_ERROR(answer.status());
  return Decode(answer->lost_locks());
}

absl::StatusOr<std::optional<FileLock>> RemoteVolumes::FindLock(uint64_t id,
                                                                const FileLock& wanted) const {
  peer_api::Call call;
  call.mutable_find_lock()->set_volume_id(id);
  *call.mutable_find_lock()->mutable_wanted() = RecordOf(wanted);
  return AskForLock(call);
}

absl::StatusOr<std::optional<DataRange>> RemoteVolumes::NextData(uint64_t id,
                                                                 uint64_t offset) const {
  peer_api::Call call;
  call.mutable_next_data()->set_id(id);
  call.mutable_next_data()->set_offset(offset);
  BATON_ASSIGN_OR_RETURN(const peer_api::Answer answer, Ask(call));
  const peer_api::Range& range = answer.range();
  if (!range.found()) return std::nullopt;
  return DataRange{range.begin(), range.end()};
}

absl::StatusOr<Capacity> RemoteVolumes::GetCapacity() const {
  peer_api::Call call;
  call.mutable_capacity();
  BATON_ASSIGN_OR_RETURN(const peer_api::Answer answer, Ask(call));
  return Capacity{.total_bytes = answer.capacity().total_bytes(),
                  .free_bytes = answer.capacity().free_bytes(),
                  .volumes = answer.capacity().volumes()};
}

}  // namespace baton::ha
