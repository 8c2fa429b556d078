#include "engine/write_log/old_logs.h"

#include <algorithm>
#include <string>
#include <utility>

#include "engine/base/model.pb.h"
#include "engine/base/mutant.h"
#include "engine/base/status.h"
#include "engine/meta/epoch_name.h"
#include "engine/meta/file_copy.h"
#include "engine/meta/sealed_record.h"

namespace baton {
namespace {

constexpr uint64_t kMaxAcceptedBytes = 16 * limits::kMiB;
constexpr uint32_t kVersion = 1;

constexpr char kDrainedSuffix[] = ".drained";

std::string AcceptedPath(uint64_t epoch) { return WriteLogPath(epoch) + ".accepted"; }

// What a crash has left of accepting or removing a log.
void RemoveLeftOvers(Storage& storage, const std::vector<uint64_t>& epochs) {
  const absl::StatusOr<std::vector<std::string>> names = storage.List(kWriteLogsPath);
  if (!names.ok()) return;
  for (const std::string& name : *names) {
    const std::optional<uint64_t> epoch = ParseEpochName(name, ".accepted");
    const bool is_alone = epoch && std::find(epochs.begin(), epochs.end(), *epoch) == epochs.end();
    if (is_alone || ParseEpochName(name, ".accepted.new")) {
      (void)storage.Remove(fmt::format("{}/{}", kWriteLogsPath, name));
    }
  }
}

// Of the logs that there are, in order. What else is in the directory was not finished.
absl::StatusOr<std::vector<uint64_t>> EpochsOf(Storage& storage) {
  std::vector<uint64_t> epochs;
  absl::StatusOr<std::vector<std::string>> names = storage.List(kWriteLogsPath);
  if (absl::IsNotFound(names.status())) return epochs;
  if (!names.ok()) return names.status();
  for (const std::string& name : *names) {
    if (const std::optional<uint64_t> epoch = ParseEpochName(name, "")) epochs.push_back(*epoch);
  }
  std::sort(epochs.begin(), epochs.end());
  return epochs;
}

absl::StatusOr<AcceptedLog> ReadAccepted(Storage& storage, const std::string& path,
                                         uint64_t nonce) {
  BATON_ASSIGN_OR_RETURN(const std::string content,
                         ReadWholeFile(storage, path, kMaxAcceptedBytes));
  BATON_ASSIGN_OR_RETURN(const std::string payload, UnsealPayload(content, path));
  AcceptedLog accepted;
  if (!accepted.ParseFromString(payload) || accepted.nonce() != nonce) {
    return GarbledFile(path, "it is not of its log");
  }
  if (accepted.version() != kVersion) {
    return Error(absl::StatusCode::kFailedPrecondition,
                 "{} has version {}, this program knows {}: use a newer one", path,
                 accepted.version(), kVersion);
  }
  return accepted;
}

absl::Status WriteAccepted(Storage& storage, const std::string& path, const AcceptedLog& accepted) {
  const std::string temporary = path + ".new";
  BATON_RETURN_IF_ERROR(RemoveIfThere(storage, temporary));
  BATON_RETURN_IF_ERROR(
      WriteNewFile(storage, temporary, SealPayload(accepted.SerializeAsString())));
  BATON_RETURN_IF_ERROR(storage.Rename(temporary, path));
  return storage.SyncDirectory(kWriteLogsPath);
}

absl::StatusOr<std::vector<LogWrite>> Scan(WriteLogFile& file) {
  // What is found may be in a cache only, and hosts were told that it is as safe as anything that
  // they have written.
  BATON_RETURN_IF_ERROR(file.Sync());
  std::vector<LogWrite> writes;
  BATON_RETURN_IF_ERROR(file.Scan([&writes](const LogWrite& write) { writes.push_back(write); }));
  std::sort(writes.begin(), writes.end(),
            [](const LogWrite& a, const LogWrite& b) { return a.sequence < b.sequence; });
  return writes;
}

AcceptedLog Accept(uint64_t nonce, const std::vector<LogWrite>& writes) {
  AcceptedLog accepted;
  accepted.set_version(kVersion);
  accepted.set_nonce(nonce);
  for (const LogWrite& write : writes) {
    AcceptedWrite& row = *accepted.add_write();
    row.set_volume_id(write.volume_id);
    row.set_offset(write.offset);
    row.set_length_bytes(write.length_bytes);
    row.set_sequence(write.sequence);
    row.set_block(write.block);
  }
  return accepted;
}

std::vector<LogWrite> WritesOf(const AcceptedLog& accepted) {
  std::vector<LogWrite> writes;
  for (const AcceptedWrite& row : accepted.write()) {
    writes.push_back({.volume_id = row.volume_id(),
                      .offset = row.offset(),
                      .length_bytes = row.length_bytes(),
                      .sequence = row.sequence(),
                      .block = row.block()});
  }
  return writes;
}

absl::StatusOr<OldLogs::Log> LoadLog(Storage& storage, Runtime& runtime, uint64_t epoch) {
  OldLogs::Log log;
  log.epoch = epoch;
  BATON_ASSIGN_OR_RETURN(log.file, WriteLogFile::Open(storage, runtime, epoch));
  const uint64_t nonce = log.file->header().nonce;
  const std::string path = AcceptedPath(epoch);
  BATON_ASSIGN_OR_RETURN(const bool is_accepted, storage.Exists(path));
  if (is_accepted && !BATON_MUTANT(kOldLogScannedAgain)) {
    BATON_ASSIGN_OR_RETURN(const AcceptedLog accepted, ReadAccepted(storage, path, nonce));
    log.writes = WritesOf(accepted);
    return log;
  }
  BATON_ASSIGN_OR_RETURN(log.writes, Scan(*log.file));
  if (!is_accepted) {
    BATON_RETURN_IF_ERROR(WriteAccepted(storage, path, Accept(nonce, log.writes)));
  }
  return log;
}

}  // namespace

absl::StatusOr<OldLogs> OldLogs::Load(Storage& storage, Runtime& runtime, uint64_t epoch) {
  OldLogs old(storage);
  BATON_ASSIGN_OR_RETURN(const std::vector<uint64_t> epochs, EpochsOf(storage));
  RemoveLeftOvers(storage, epochs);
  for (const uint64_t earlier : epochs) {
    if (earlier >= epoch) {
      return Error(absl::StatusCode::kDataLoss, "{} is of an epoch that is not before ours ({})",
                   WriteLogPath(earlier), epoch);
    }
    BATON_ASSIGN_OR_RETURN(Log log, LoadLog(storage, runtime, earlier));
    old.logs_.push_back(std::move(log));
  }
  return old;
}

absl::StatusOr<uint64_t> OldLogs::NewestMetaSequence(Storage& storage, Runtime& runtime) {
  uint64_t newest = 0;
  BATON_ASSIGN_OR_RETURN(const std::vector<uint64_t> epochs, EpochsOf(storage));
  for (const uint64_t epoch : epochs) {
    BATON_ASSIGN_OR_RETURN(const std::unique_ptr<WriteLogFile> file,
                           WriteLogFile::Open(storage, runtime, epoch));
    BATON_ASSIGN_OR_RETURN(const uint64_t known, file->NewestMetaSequence());
    newest = std::max(newest, known);
  }
  return newest;
}

uint64_t OldLogs::data_blocks() const {
  uint64_t blocks = 0;
  for (const Log& log : logs_) {
    for (const LogWrite& write : log.writes) blocks += write.data_blocks();
  }
  return blocks;
}

// The log goes before what is recorded of it: without that record it would be read again.
absl::StatusOr<std::unique_ptr<File>> OldLogs::Remove(const Log& log) const {
  absl::StatusOr<std::unique_ptr<File>> file = storage_->Open(WriteLogPath(log.epoch), {});
  for (const std::string& path : {WriteLogPath(log.epoch), AcceptedPath(log.epoch)}) {
    BATON_RETURN_IF_ERROR(RemoveIfThere(*storage_, path));
    BATON_RETURN_IF_ERROR(storage_->SyncDirectory(kWriteLogsPath));
  }
  return file.ok() ? *std::move(file) : nullptr;
}

absl::Status DropLog(Storage& storage, uint64_t epoch) {
  const std::string path = WriteLogPath(epoch);
  BATON_RETURN_IF_ERROR(storage.Rename(path, path + kDrainedSuffix));
  return storage.SyncDirectory(kWriteLogsPath);
}

void RemoveDrainedLogs(Storage& storage) {
  const absl::StatusOr<std::vector<std::string>> names = storage.List(kWriteLogsPath);
  if (!names.ok()) return;
  for (const std::string& name : *names) {
    if (!ParseEpochName(name, kDrainedSuffix)) continue;
    (void)storage.Remove(fmt::format("{}/{}", kWriteLogsPath, name));
  }
}

}  // namespace baton
