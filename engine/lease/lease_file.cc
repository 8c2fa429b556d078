#include "engine/lease/lease_file.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "engine/base/limits.h"
#include "engine/base/status.h"
#include "engine/meta/epoch_name.h"
#include "engine/meta/file_copy.h"

namespace baton {
namespace {

constexpr char kLease[] = "lease";
constexpr char kLeaseTemporary[] = ".tmp";
// A read of a record that is being rewritten may, without direct I/O, see half of each.
constexpr int kReadAttempts = 3;

struct alignas(limits::kBlockBytes) RecordBuffer {
  std::array<std::byte, kLeaseRecordBytes> bytes = {};
};

std::string InLease(const std::string& name) { return std::string(kLease) + "/" + name; }

absl::Status WriteRecord(File& file, const LeaseRecord& record, WriteMode mode) {
  RecordBuffer buffer;
  BATON_RETURN_IF_ERROR(EncodeLeaseRecord(record, buffer.bytes));
  return file.Write(0, buffer.bytes, mode);
}

// Opened anew each time: network file systems then ask the server.
absl::StatusOr<LeaseRecord> ReadOnce(Storage& storage, uint64_t epoch) {
  const std::string path = LeasePath(epoch);
  BATON_ASSIGN_OR_RETURN(const std::unique_ptr<File> file,
                         storage.Open(path, {.direct = true, .read_only = true}));
  BATON_ASSIGN_OR_RETURN(const uint64_t size_bytes, file->SizeBytes());
  RecordBuffer buffer;
  BATON_RETURN_IF_ERROR(file->Read(0, buffer.bytes));
  const size_t length_bytes = size_bytes == kLeaseRecordBytes ? kLeaseRecordBytes : 0;
  BATON_ASSIGN_OR_RETURN(LeaseRecord record,
                         DecodeLeaseRecord(Bytes(buffer.bytes).first(length_bytes), path));
  if (record.epoch == epoch) return record;
  return Error(absl::StatusCode::kDataLoss, "lease record {} is garbled: it is of epoch {}", path,
               record.epoch);
}

absl::StatusOr<LeaseRecord> ReadLease(Storage& storage, uint64_t epoch) {
  absl::StatusOr<LeaseRecord> record = ReadOnce(storage, epoch);
  for (int attempt = 1; attempt < kReadAttempts && absl::IsDataLoss(record.status()); ++attempt) {
    record = ReadOnce(storage, epoch);
  }
  return record;
}

// "epoch-7.NODE.INSTANCE.tmp": nobody else's, and no name of a record.
std::string TemporaryPath(const LeaseRecord& record) {
  return fmt::format("{}.{}.{}{}", LeasePath(record.epoch), record.node, record.instance,
                     kLeaseTemporary);
}

absl::Status WriteTemporary(Storage& storage, const LeaseRecord& record) {
  const std::string path = TemporaryPath(record);
  BATON_RETURN_IF_ERROR(RemoveIfThere(storage, path));
  BATON_ASSIGN_OR_RETURN(const std::unique_ptr<File> file,
                         storage.Open(path, {.create = true, .exclusive = true, .direct = true}));
  BATON_RETURN_IF_ERROR(WriteRecord(*file, record, WriteMode::kCached));
  return file->Sync();
}

// A server that made the link and lost its answer says AlreadyExists to the repetition; the winner
// of the epoch may have removed our temporary file. Either way the record there tells who won.
absl::Status LinkOrLookWhoWon(Storage& storage, const LeaseRecord& record) {
  const absl::Status linked = storage.Link(TemporaryPath(record), LeasePath(record.epoch));
  if (!absl::IsAlreadyExists(linked) && !absl::IsNotFound(linked)) return linked;
  BATON_ASSIGN_OR_RETURN(const LeaseRecord winner, ReadLease(storage, record.epoch));
  if (winner == record) return absl::OkStatus();
  return Error(absl::StatusCode::kAlreadyExists, "epoch {} was claimed by node {}", record.epoch,
               winner.node);
}

// The epoch of "epoch-N.…tmp".
std::optional<uint64_t> EpochOfTemporary(const std::string& name) {
  const size_t dot = name.find('.');
  if (dot == std::string::npos || !name.ends_with(kLeaseTemporary)) return std::nullopt;
  return ParseEpochName(name.substr(0, dot), "");
}

}  // namespace

std::string LeasePath(uint64_t epoch) { return InLease(EpochName(epoch)); }

absl::StatusOr<uint64_t> NewestClaimedEpoch(Storage& storage) {
  BATON_ASSIGN_OR_RETURN(const std::vector<std::string> names, storage.List(kLease));
  uint64_t newest = 0;
  for (const std::string& name : names) {
    newest = std::max(newest, ParseEpochName(name, "").value_or(0));
  }
  return newest;
}

absl::StatusOr<std::optional<LeaseRecord>> ReadNewestLease(Storage& storage) {
  BATON_ASSIGN_OR_RETURN(const uint64_t newest, NewestClaimedEpoch(storage));
  if (newest == 0) return std::nullopt;
  BATON_ASSIGN_OR_RETURN(LeaseRecord record, ReadLease(storage, newest));
  return record;
}

absl::Status CreateLease(Storage& storage, const LeaseRecord& record) {
  BATON_RETURN_IF_ERROR(WriteTemporary(storage, record));
  const absl::Status linked = LinkOrLookWhoWon(storage, record);
  const absl::Status removed = RemoveIfThere(storage, TemporaryPath(record));
  BATON_RETURN_IF_ERROR(linked);
  BATON_RETURN_IF_ERROR(removed);
  return storage.SyncDirectory(kLease);
}

absl::Status RemoveOldLeases(Storage& storage, uint64_t epoch) {
  BATON_ASSIGN_OR_RETURN(const std::vector<std::string> names, storage.List(kLease));
  for (const std::string& name : names) {
    std::optional<uint64_t> claimed = ParseEpochName(name, "");
    if (!claimed) claimed = ParseEpochName(name, ".reaped");
    const bool is_old = claimed && *claimed + limits::kLeaseRecordsKept <= epoch;
    const bool is_left_over = EpochOfTemporary(name).value_or(epoch + 1) <= epoch;
    if (is_old || is_left_over) BATON_RETURN_IF_ERROR(RemoveIfThere(storage, InLease(name)));
  }
  return absl::OkStatus();
}

absl::StatusOr<LeaseFile> LeaseFile::Open(Storage& storage, uint64_t epoch) {
  BATON_ASSIGN_OR_RETURN(std::unique_ptr<File> file,
                         storage.Open(LeasePath(epoch), {.direct = true}));
  return LeaseFile(std::move(file));
}

absl::Status LeaseFile::Write(const LeaseRecord& record) {
  return WriteRecord(*file_, record, WriteMode::kDurable);
}

}  // namespace baton
