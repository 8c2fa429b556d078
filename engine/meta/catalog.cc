#include "engine/meta/catalog.h"

#include <algorithm>
#include <utility>

#include "engine/base/status.h"
#include "engine/meta/row_codec.h"
#include "engine/meta/run_keys.h"
#include "engine/meta/table_keys.h"

namespace baton {
namespace {

constexpr char kIdPrefix[] = "id/";
constexpr char kDeletedFilePrefix[] = "deleted/";
constexpr char kChangePrefix[] = "change/";
constexpr char kLockPrefix[] = "lock/";
constexpr char kEvictedPrefix[] = "evicted/";
constexpr size_t kIdPrefixBytes = sizeof(kIdPrefix) - 1;
constexpr size_t kNumberBytes = 8;

std::string IdKey(uint64_t id) { return kIdPrefix + KeyOf(id); }

std::string ChangeKey(uint64_t volume_id) { return kChangePrefix + KeyOf(volume_id); }

std::string LockKey(uint64_t volume_id, const std::string& node) {
  return kLockPrefix + KeyOf(volume_id) + node;
}

std::string Hex(const std::string& key) {
  std::string hex;
  for (const char c : key) hex += fmt::format("{:02x}", static_cast<uint8_t>(c));
  return hex;
}

// The records of the system column whose keys start with `prefix`; each lies under its own key.
template <typename Record, typename KeyOfRecord>
absl::StatusOr<std::vector<Record>> LoadSystemRecords(const MetaReader& store,
                                                      const std::string& prefix,
                                                      KeyOfRecord key_of) {
  std::vector<Record> records;
  absl::Status result;
  BATON_RETURN_IF_ERROR(
      store.Scan(Column::kSystem, prefix, [&](const std::string& key, const std::string& value) {
        Record& record = records.emplace_back();
        result = ParseRecord(Column::kSystem, key, value, record);
        if (result.ok() && key != key_of(record)) {
          result = DamagedRow(Column::kSystem, key, "its content belongs to another row");
        }
        return result.ok();
      }));
  BATON_RETURN_IF_ERROR(result);
  return records;
}

}  // namespace

absl::Status DamagedRow(Column column, const std::string& key, const std::string& why) {
  return Error(absl::StatusCode::kDataLoss, "metadata row {}/{} is damaged: {}", ColumnName(column),
               Hex(key), why);
}

Catalog::Catalog(MetaStore& store, Runtime& runtime, uint64_t epoch, std::string node)
    : CatalogReader(store),
      store_(store),
      runtime_(runtime),
      epoch_(epoch),
      node_(std::move(node)) {}

absl::Status Catalog::Load() {
  BATON_RETURN_IF_ERROR(CheckEpoch());
  BATON_RETURN_IF_ERROR(LoadIds());
  return LoadEventRange();
}

absl::Status Catalog::CheckEpoch() const {
  BATON_ASSIGN_OR_RETURN(const uint64_t stored, LoadEpoch());
  if (stored <= epoch_) return absl::OkStatus();
  return Error(absl::StatusCode::kDataLoss,
               "metadata belongs to epoch {}, which is newer than ours ({})", stored, epoch_);
}

absl::Status Catalog::LoadIds() {
  std::vector<std::string> keys;
  BATON_RETURN_IF_ERROR(
      store_.Scan(Column::kSystem, kIdPrefix, [&](const std::string& key, const std::string&) {
        keys.push_back(key);
        return true;
      }));
  if (keys.empty()) return absl::OkStatus();
  const std::string newest = keys.back();
  if (newest.size() != kIdPrefixBytes + kNumberBytes) {
    return DamagedRow(Column::kSystem, newest, "its key is malformed");
  }
  keys.pop_back();
  const absl::MutexLock lock(&mutex_);
  last_id_ = ReadBigEndian(newest.substr(kIdPrefixBytes));
  stale_id_keys_ = std::move(keys);
  return absl::OkStatus();
}

// A row an id, not one row with the counter: two batches that are committed in the other order
// would leave the smaller count behind. They leave a stale row instead, which is deleted later.
uint64_t Catalog::AllocateId(MetaBatch& batch) {
  const absl::MutexLock lock(&mutex_);
  for (std::string& key : stale_id_keys_) batch.Delete(Column::kSystem, std::move(key));
  stale_id_keys_.clear();
  if (last_id_ >= kFirstId) batch.Delete(Column::kSystem, IdKey(last_id_));
  ++last_id_;
  batch.Put(Column::kSystem, IdKey(last_id_), "");
  return last_id_;
}

void Catalog::PutVolume(MetaBatch& batch, VolumeRecord record) const {
  record.set_version(kRecordVersion);
  batch.Put(Column::kVolumes, KeyOf(record.id()), record.SerializeAsString());
}

void Catalog::DeleteVolume(MetaBatch& batch, uint64_t id) const {
  batch.Delete(Column::kVolumes, KeyOf(id));
}

void Catalog::SetTimesKnown(MetaBatch& batch) const {
  batch.Put(Column::kSystem, kTimesKey, KeyOf(epoch_));
}

void Catalog::MarkDeletedFile(MetaBatch& batch, const std::string& volume) const {
  batch.Put(Column::kSystem, kDeletedFilePrefix + volume, "");
}

void Catalog::ForgetDeletedFile(MetaBatch& batch, const std::string& volume) const {
  batch.Delete(Column::kSystem, kDeletedFilePrefix + volume);
}

absl::StatusOr<std::vector<std::string>> Catalog::LoadDeletedFiles() const {
  const std::string prefix = kDeletedFilePrefix;
  std::vector<std::string> volumes;
  BATON_RETURN_IF_ERROR(
      store_.Scan(Column::kSystem, prefix, [&](const std::string& key, const std::string&) {
        volumes.push_back(key.substr(prefix.size()));
        return true;
      }));
  return volumes;
}

void Catalog::PutChange(MetaBatch& batch, VolumeRecord next) const {
  next.set_version(kRecordVersion);
  batch.Put(Column::kSystem, ChangeKey(next.id()), next.SerializeAsString());
}

void Catalog::DropChange(MetaBatch& batch, uint64_t volume_id) const {
  batch.Delete(Column::kSystem, ChangeKey(volume_id));
}

absl::StatusOr<std::vector<VolumeRecord>> Catalog::LoadChanges() const {
  return LoadSystemRecords<VolumeRecord>(
      store_, kChangePrefix, [](const VolumeRecord& next) { return ChangeKey(next.id()); });
}

void Catalog::PutLocks(MetaBatch& batch, LockRecord record) const {
  std::string key = LockKey(record.volume_id(), record.node());
  if (record.locks().empty()) {
    batch.Delete(Column::kSystem, std::move(key));
    return;
  }
  record.set_version(kRecordVersion);
  batch.Put(Column::kSystem, std::move(key), record.SerializeAsString());
}

void Catalog::DropLocks(MetaBatch& batch, uint64_t volume_id) const {
  batch.DeletePrefix(Column::kSystem, LockKey(volume_id, ""));
}

absl::StatusOr<std::vector<LockRecord>> Catalog::LoadLocks() const {
  return LoadSystemRecords<LockRecord>(store_, kLockPrefix, [](const LockRecord& record) {
    return LockKey(record.volume_id(), record.node());
  });
}

void Catalog::PutEviction(MetaBatch& batch, EvictionRecord record) const {
  record.set_version(kRecordVersion);
  batch.Put(Column::kSystem, kEvictedPrefix + record.node(), record.SerializeAsString());
}

void Catalog::DeleteEviction(MetaBatch& batch, const std::string& node) const {
  batch.Delete(Column::kSystem, kEvictedPrefix + node);
}

absl::StatusOr<std::vector<EvictionRecord>> Catalog::LoadEvictions() const {
  return LoadSystemRecords<EvictionRecord>(
      store_, kEvictedPrefix,
      [](const EvictionRecord& record) { return kEvictedPrefix + record.node(); });
}

void Catalog::PutRelation(MetaBatch& batch, RelationRecord record) const {
  record.set_version(kRecordVersion);
  batch.Put(Column::kRelations, KeyOf(record.id()), record.SerializeAsString());
}

void Catalog::DeleteRelation(MetaBatch& batch, uint64_t id) const {
  batch.Delete(Column::kRelations, KeyOf(id));
}

absl::Status Catalog::Commit(MetaBatch batch, Durable durable) {
  batch.Put(Column::kSystem, kEpochKey, KeyOf(epoch_));
  return store_.Write(batch, durable);
}

}  // namespace baton
