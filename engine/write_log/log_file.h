// The file of a write log, POOL/writes/epoch-N: what one epoch writes, and later ones only read.
#pragma once

#include <absl/functional/function_ref.h>
#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <memory>
#include <string>
#include <vector>

#include "engine/base/bytes.h"
#include "engine/base/runtime.h"
#include "engine/base/storage.h"
#include "engine/volume/group_sync.h"
#include "engine/write_log/log_format.h"

namespace baton {

inline constexpr char kWriteLogsPath[] = "writes";

std::string WriteLogPath(uint64_t epoch);

// Thread-safe; a segment and a record have one writer at a time. Offsets, lengths and addresses of
// buffers are those of whole blocks.
class WriteLogFile {
 public:
  // A new file without segments, durable. What a crash has left of making one goes. After an error
  // there is none.
  static absl::StatusOr<std::unique_ptr<WriteLogFile>> Create(Storage& storage, Runtime& runtime,
                                                              uint64_t epoch,
                                                              const WriteLogShape& shape);
  // That of an earlier epoch, to be read. DataLoss: its header is garbled.
  static absl::StatusOr<std::unique_ptr<WriteLogFile>> Open(Storage& storage, Runtime& runtime,
                                                            uint64_t epoch);

  const WriteLogHeader& header() const { return header_; }
  const WriteLogShape& shape() const { return header_.shape; }

  // Makes room for the next segment with zeros, durably, so that no write to it changes the file's
  // layout. ResourceExhausted: the storage is full.
  absl::Status AddSegment(uint64_t segment);
  // Durable when it returns OK.
  absl::Status WriteRecord(const SegmentRecord& record);
  // `entry`: a block, which is filled, and the data. Durable when it returns OK, or with the next
  // Sync.
  absl::Status WriteEntry(const LogWrite& write, MutableBytes entry, bool durable);
  // Durable when it returns OK. REQUIRES: so is everything that it names, and nothing is added to
  // the segment until it is used again.
  absl::Status WriteList(const SegmentList& list);
  absl::Status Sync() { return sync_.Sync(); }

  absl::Status Read(uint64_t block, MutableBytes out) const {
    return file_->Read(block * limits::kBlockBytes, out);
  }
  // Calls `visit` with each whole entry that a record does not call nothing, in no order. Reads
  // only those segments that have no list. DataLoss: a record is garbled.
  absl::Status Scan(absl::FunctionRef<void(const LogWrite&)> visit) const;
  // DataLoss as Scan.
  absl::StatusOr<uint64_t> NewestMetaSequence() const;

 private:
  WriteLogFile(Runtime& runtime, const WriteLogHeader& header, std::unique_ptr<File> file)
      : header_(header), file_(std::move(file)), sync_(runtime, *file_, nullptr) {}

  absl::StatusOr<std::vector<SegmentRecord>> ReadRecords() const;
  absl::Status WriteZeros(uint64_t begin, uint64_t end);
  Bytes ListIn(Bytes lists, uint64_t segment) const {
    const uint64_t bytes = shape().list_blocks() * limits::kBlockBytes;
    return lists.subspan(segment * bytes, bytes);
  }
  absl::Status ScanSegment(const SegmentRecord& record, MutableBytes buffer,
                           absl::FunctionRef<void(const LogWrite&)> visit) const;

  const WriteLogHeader header_;
  const std::unique_ptr<File> file_;
  GroupSync sync_;
};

}  // namespace baton
