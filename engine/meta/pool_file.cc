#include "engine/meta/pool_file.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "engine/base/limits.h"
#include "engine/base/status.h"
#include "engine/meta/file_copy.h"
#include "engine/meta/node_identity.h"
#include "engine/meta/sealed_record.h"

namespace baton {
namespace {

constexpr char kTemporaryPath[] = "pool.pb.tmp";
constexpr char kNewIntentsPath[] = "intents.tmp";
constexpr std::array<const char*, 3> kDirectories = {kVolumesPath, "meta", "lease"};
constexpr uint64_t kMaxPoolFileBytes = 64 * limits::kKiB;
constexpr uint64_t kLogBytes = limits::kLogEntries * (limits::kBlockBytes + limits::kLogDataBytes);

bool IsIgnored(const std::string& name) { return name == "lost+found"; }

bool IsOurDirectory(const std::string& name) {
  return std::find(kDirectories.begin(), kDirectories.end(), name) != kDirectories.end();
}

bool IsZeros(const std::string& content) {
  return content.find_first_not_of('\0') == std::string::npos;
}

absl::StatusOr<PoolRecord> ParsePool(const std::string& content) {
  BATON_ASSIGN_OR_RETURN(const std::string payload, UnsealPayload(content, kPoolPath));
  PoolRecord record;
  if (record.ParseFromString(payload)) return record;
  return GarbledFile(kPoolPath, "its record does not parse");
}

// Whether making a pool can have left it: our own directories, empty, and our own files, as far as
// they were written. Anything else of these names is somebody's.
bool IsLeftOver(Storage& storage, const std::string& name) {
  if (IsOurDirectory(name)) {
    const absl::StatusOr<std::vector<std::string>> inside = storage.List(name);
    return inside.ok() && inside->empty();
  }
  if (name != kTemporaryPath && name != kIntentsPath && name != kPoolPath) return false;
  const uint64_t limit_bytes = name == kIntentsPath ? kLogBytes : kMaxPoolFileBytes;
  const absl::StatusOr<std::string> content = ReadWholeFile(storage, name, limit_bytes);
  if (!content.ok()) return false;
  return IsZeros(*content) || (name == kTemporaryPath && ParsePool(*content).ok());
}

absl::Status MakeDirectories(Storage& storage) {
  for (const char* path : kDirectories) {
    const absl::Status status = storage.MakeDirectory(path);
    if (!status.ok() && !absl::IsAlreadyExists(status)) return status;
    BATON_RETURN_IF_ERROR(storage.SyncDirectory(path));
  }
  return absl::OkStatus();
}

// Written, not only reserved: a slot is later written and awaited without a change of the file's
// layout on the way.
absl::Status MakeIntents(Storage& storage, const std::string& path) {
  BATON_ASSIGN_OR_RETURN(const std::unique_ptr<File> file, storage.Open(path, {.create = true}));
  const std::vector<std::byte> zeros(kLogBytes);
  BATON_RETURN_IF_ERROR(file->Truncate(0));  // a crash may have left one
  BATON_RETURN_IF_ERROR(file->Write(0, zeros, WriteMode::kCached));
  return file->Sync();
}

// Removed first: a crash may have left one.
absl::Status WriteTemporary(Storage& storage, const std::string& content) {
  BATON_RETURN_IF_ERROR(RemoveIfThere(storage, kTemporaryPath));
  return WriteNewFile(storage, kTemporaryPath, content);
}

// The record is there, whole and durable, or what was there before.
absl::Status PutRecord(Storage& storage, const PoolRecord& record) {
  BATON_RETURN_IF_ERROR(WriteTemporary(storage, SealPayload(record.SerializeAsString())));
  BATON_RETURN_IF_ERROR(storage.SyncDirectory(""));
  BATON_RETURN_IF_ERROR(storage.Rename(kTemporaryPath, kPoolPath));
  return storage.SyncDirectory("");
}

// What was found to be left over, and what was made since; what cannot be removed stays. Nothing of
// a pool that somebody else has made here meanwhile.
void RemoveLeftOvers(Storage& storage, const std::string& pool_id) {
  const absl::StatusOr<PoolRecord> pool = ReadPool(storage);
  if (pool.ok() && pool->pool_id() != pool_id) return;
  for (const char* path : {kPoolPath, kTemporaryPath, kIntentsPath}) (void)storage.Remove(path);
  for (const char* path : kDirectories) (void)storage.Remove(path);
}

}  // namespace

std::string RandomPoolId() {
  std::string id = RandomUuid();
  std::erase(id, '-');
  return id;
}

absl::Status CheckIsFree(Storage& storage) {
  BATON_ASSIGN_OR_RETURN(const bool has_record, storage.Exists(kPoolPath));
  if (has_record && !IsLeftOver(storage, kPoolPath)) {
    return absl::AlreadyExistsError("the directory is a pool already");
  }
  BATON_ASSIGN_OR_RETURN(const std::vector<std::string> names, storage.List(""));
  for (const std::string& name : names) {
    if (IsIgnored(name) || IsLeftOver(storage, name)) continue;
    return Error(absl::StatusCode::kFailedPrecondition,
                 "the directory is not empty, it has '{}': a pool needs one of its own", name);
  }
  return absl::OkStatus();
}

absl::Status InitPool(Storage& storage, Durability durability, Runtime& runtime,
                      const std::string& pool_id) {
  BATON_RETURN_IF_ERROR(CheckIsFree(storage));
  PoolRecord record;
  record.set_format_version(kPoolFormatVersion);
  record.set_pool_id(pool_id);
  record.set_durability(durability);
  record.set_created_unix_us(absl::ToUnixMicros(runtime.WallTime()));
  absl::Status status = MakeDirectories(storage);
  if (status.ok()) status = MakeIntents(storage, kIntentsPath);
  if (status.ok()) status = PutRecord(storage, record);
  if (status.ok()) status = ReadPool(storage).status();
  if (!status.ok()) RemoveLeftOvers(storage, pool_id);
  return status;
}

absl::Status RaiseFormat(Storage& storage) {
  BATON_ASSIGN_OR_RETURN(PoolRecord record, ReadPool(storage));
  if (record.format_version() == kPoolFormatVersion) return absl::OkStatus();
  record.set_format_version(kPoolFormatVersion);
  return PutRecord(storage, record);
}

absl::Status RenewIntents(Storage& storage) {
  BATON_RETURN_IF_ERROR(RaiseFormat(storage));
  BATON_RETURN_IF_ERROR(MakeIntents(storage, kNewIntentsPath));
  BATON_RETURN_IF_ERROR(storage.Rename(kNewIntentsPath, kIntentsPath));
  return storage.SyncDirectory("");
}

absl::StatusOr<PoolRecord> ReadPool(Storage& storage) {
  BATON_ASSIGN_OR_RETURN(const bool is_pool, storage.Exists(kPoolPath));
  if (!is_pool) return absl::NotFoundError("not a pool: it has no pool.pb");
  BATON_ASSIGN_OR_RETURN(const std::string content,
                         ReadWholeFile(storage, kPoolPath, kMaxPoolFileBytes));
  BATON_ASSIGN_OR_RETURN(const PoolRecord record, ParsePool(content));
  if (record.format_version() >= 1 && record.format_version() <= kPoolFormatVersion) return record;
  return Error(absl::StatusCode::kFailedPrecondition,
               "the pool has format {}, this program knows {}: use a newer one",
               record.format_version(), kPoolFormatVersion);
}

}  // namespace baton
