// What earlier epochs have left in their write logs.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <memory>
#include <vector>

#include "engine/base/runtime.h"
#include "engine/base/storage.h"
#include "engine/write_log/log_file.h"

namespace baton {

// The first owner after an epoch reads its log, and records what it has found
// (POOL/writes/epoch-N.accepted) before it answers anything. Later ones take that and do not look
// for entries again: what the deposed owner still writes, a minute later perhaps, was never
// acknowledged, and what was is newer.
class OldLogs {
 public:
  struct Log {
    uint64_t epoch = 0;
    std::unique_ptr<WriteLogFile> file;
    std::vector<LogWrite> writes;  // in the order of their sequence numbers
  };

  // All logs of epochs before `epoch`, durable with what is recorded of them. DataLoss: one is
  // garbled, or is of a later epoch.
  static absl::StatusOr<OldLogs> Load(Storage& storage, Runtime& runtime, uint64_t epoch);
  // The newest durable metadata write that any record of a log knows of; 0: none.
  static absl::StatusOr<uint64_t> NewestMetaSequence(Storage& storage, Runtime& runtime);

  const std::vector<Log>& logs() const { return logs_; }  // oldest first
  uint64_t data_blocks() const;
  // Durably; nothing of it is needed any more. Its file, which goes on to have space for as long as
  // somebody has it open; null: it cannot be opened.
  absl::StatusOr<std::unique_ptr<File>> Remove(const Log& log) const;

 private:
  explicit OldLogs(Storage& storage) : storage_(&storage) {}

  Storage* storage_;
  std::vector<Log> logs_;
};

// A drained log is gone, durably, and its space is kept: to give back 256 MiB takes longer than
// hosts should wait for a seal.
absl::Status DropLog(Storage& storage, uint64_t epoch);
// Gives back the space of logs that were dropped.
void RemoveDrainedLogs(Storage& storage);

}  // namespace baton
