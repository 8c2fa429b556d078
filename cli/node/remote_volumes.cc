#include "cli/node/remote_volumes.h"

#include <utility>

#include "cli/node/pair_codec.h"
#include "engine/base/status.h"

namespace baton {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(2);

// That a peer is gone, or took too long, is no answer to a request for a volume.
absl::Status AsNoAnswer(const absl::Status& status) {
  const bool gone = absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status);
  return gone ? absl::AbortedError(Message(status)) : status;
}

fs::VolumeEntry EntryOf(const pair::Volume& volume) {
  return {.id = volume.id(),
          .name = volume.name(),
          .size_bytes = volume.size_bytes(),
          .allocated_bytes = volume.allocated_bytes(),
          .created_unix_us = volume.created_unix_us()};
}

// An open volume: its requests are forwarded.
class RemoteVolume final : public VolumeIo {
 public:
  RemoteVolume(ha::ForwardClient& client, const RemoteVolumes& volumes, ha::ForwardScope scope,
               uint64_t size_bytes)
      : client_(client), volumes_(volumes), scope_(scope), size_bytes_(size_bytes) {}
  // While another epoch is in force nobody counts it as open any more.
  ~RemoteVolume() override {
    if (volumes_.epoch() == scope_.epoch) volumes_.Close(scope_.volume_id);
  }

  uint64_t size_bytes() const override { return size_bytes_; }
  absl::Status Read(uint64_t offset, MutableBytes out) override {
    return AsNoAnswer(client_.Read(scope_, offset, out));
  }
  absl::Status Write(uint64_t offset, Bytes data) override {
    return AsNoAnswer(client_.Write(scope_, offset, data));
  }
  absl::Status Flush() override { return AsNoAnswer(client_.Flush(scope_)); }
  absl::Status Discard(uint64_t offset, uint64_t length_bytes) override {
    return AsNoAnswer(client_.Discard(scope_, offset, length_bytes));
  }

 private:
  ha::ForwardClient& client_;
  const RemoteVolumes& volumes_;
  const ha::ForwardScope scope_;
  const uint64_t size_bytes_;
};

template <typename Matches>
absl::StatusOr<fs::VolumeEntry> Find(const absl::StatusOr<std::vector<fs::VolumeEntry>>& entries,
                                     Matches matches) {
  BATON_RETURN_IF_ERROR(entries.status());
  for (const fs::VolumeEntry& entry : *entries) {
    if (matches(entry)) return entry;
  }
  return absl::NotFoundError("there is no such volume");
}

}  // namespace

absl::StatusOr<pair::Answer> RemoteVolumes::Ask(const pair::Call& call) const {
  const absl::StatusOr<std::string> bytes =
      network_.Call(peer_, call.SerializeAsString(), kPatience);
  if (!bytes.ok()) return AsNoAnswer(bytes.status());
  return ParseAnswer(*bytes);
}

absl::StatusOr<std::vector<fs::VolumeEntry>> RemoteVolumes::List() const {
  pair::Call call;
  call.mutable_list_volumes();
  BATON_ASSIGN_OR_RETURN(const pair::Answer answer, Ask(call));
  std::vector<fs::VolumeEntry> entries;
  for (const pair::Volume& volume : answer.volumes().volumes()) entries.push_back(EntryOf(volume));
  return entries;
}

absl::StatusOr<fs::VolumeEntry> RemoteVolumes::Lookup(const std::string& name) const {
  return Find(List(), [&name](const fs::VolumeEntry& entry) { return entry.name == name; });
}

absl::StatusOr<fs::VolumeEntry> RemoteVolumes::Get(uint64_t id) const {
  return Find(List(), [id](const fs::VolumeEntry& entry) { return entry.id == id; });
}

absl::StatusOr<std::shared_ptr<VolumeIo>> RemoteVolumes::Open(uint64_t id) {
  const uint64_t epoch = epoch_;
  pair::Call call;
  call.mutable_open_volume()->set_id(id);
  BATON_ASSIGN_OR_RETURN(const pair::Answer answer, Ask(call));
  return std::make_shared<RemoteVolume>(*network_.forward(peer_), *this,
                                        ha::ForwardScope{epoch, id}, answer.volume().size_bytes());
}

void RemoteVolumes::Close(uint64_t id) const {
  pair::Call call;
  call.mutable_close_volume()->set_id(id);
  static_cast<void>(Ask(call));  // an owner that is gone has forgotten it
}

absl::StatusOr<std::optional<DataRange>> RemoteVolumes::NextData(uint64_t id,
                                                                 uint64_t offset) const {
  pair::Call call;
  call.mutable_next_data()->set_id(id);
  call.mutable_next_data()->set_offset(offset);
  BATON_ASSIGN_OR_RETURN(const pair::Answer answer, Ask(call));
  const pair::Range& range = answer.range();
  if (!range.found()) return std::nullopt;
  return DataRange{range.begin(), range.end()};
}

absl::StatusOr<fs::Capacity> RemoteVolumes::GetCapacity() const {
  pair::Call call;
  call.mutable_capacity();
  BATON_ASSIGN_OR_RETURN(const pair::Answer answer, Ask(call));
  return fs::Capacity{answer.capacity().total_bytes(), answer.capacity().free_bytes()};
}

}  // namespace baton
