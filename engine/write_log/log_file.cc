#include "engine/write_log/log_file.h"

#include <algorithm>
#include <utility>

#include "engine/base/mutant.h"
#include "engine/base/random.h"
#include "engine/base/resident_memory.h"
#include "engine/base/status.h"
#include "engine/meta/epoch_name.h"
#include "engine/meta/file_copy.h"

namespace baton {
namespace {

constexpr char kTemporaryPath[] = "writes/new";

absl::Status WriteHeader(File& file, const WriteLogHeader& header) {
  const ResidentMemory memory(limits::kBlockBytes);
  const MutableBytes block = {memory.data(), limits::kBlockBytes};
  BATON_RETURN_IF_ERROR(file.Truncate(header.shape.BlocksWith(0) * limits::kBlockBytes));
  EncodeLogHeader(header, block);
  BATON_RETURN_IF_ERROR(file.Write(0, block, WriteMode::kCached));
  std::fill(block.begin(), block.end(), std::byte{0});
  for (uint64_t i = 1; i <= header.shape.segments; ++i) {
    BATON_RETURN_IF_ERROR(file.Write(i * limits::kBlockBytes, block, WriteMode::kCached));
  }
  return file.Sync();
}

// One that is there may have been made just before a crash, and is not durable then.
absl::Status MakeDirectory(Storage& storage) {
  const absl::Status made = storage.MakeDirectory(kWriteLogsPath);
  if (!made.ok() && !absl::IsAlreadyExists(made)) return made;
  return storage.SyncDirectory("");
}

absl::StatusOr<std::unique_ptr<File>> MakeFile(Storage& storage, const WriteLogHeader& header) {
  BATON_RETURN_IF_ERROR(MakeDirectory(storage));
  BATON_RETURN_IF_ERROR(RemoveIfThere(storage, kTemporaryPath));
  BATON_ASSIGN_OR_RETURN(
      std::unique_ptr<File> file,
      storage.Open(kTemporaryPath, {.create = true, .exclusive = true, .direct = true}));
  absl::Status status = WriteHeader(*file, header);
  if (status.ok()) status = storage.Rename(kTemporaryPath, WriteLogPath(header.epoch));
  if (status.ok()) status = storage.SyncDirectory(kWriteLogsPath);
  if (status.ok()) return file;
  (void)storage.Remove(kTemporaryPath);
  return status;
}

}  // namespace

std::string WriteLogPath(uint64_t epoch) {
  return fmt::format("{}/{}", kWriteLogsPath, EpochName(epoch));
}

absl::StatusOr<std::unique_ptr<WriteLogFile>> WriteLogFile::Create(Storage& storage,
                                                                   Runtime& runtime, uint64_t epoch,
                                                                   const WriteLogShape& shape) {
  const WriteLogHeader header = {.nonce = RandomNumber(), .epoch = epoch, .shape = shape};
  BATON_ASSIGN_OR_RETURN(std::unique_ptr<File> file, MakeFile(storage, header));
  return std::unique_ptr<WriteLogFile>(new WriteLogFile(runtime, header, std::move(file)));
}

absl::StatusOr<std::unique_ptr<WriteLogFile>> WriteLogFile::Open(Storage& storage, Runtime& runtime,
                                                                 uint64_t epoch) {
  const std::string path = WriteLogPath(epoch);
  BATON_ASSIGN_OR_RETURN(std::unique_ptr<File> file,
                         storage.Open(path, {.direct = true, .read_only = true}));
  const ResidentMemory memory(limits::kBlockBytes);
  const MutableBytes block = {memory.data(), limits::kBlockBytes};
  BATON_RETURN_IF_ERROR(Annotate(file->Read(0, block), path));
  const absl::StatusOr<WriteLogHeader> header = DecodeLogHeader(block);
  if (!header.ok()) return Annotate(header.status(), path);
  return std::unique_ptr<WriteLogFile>(new WriteLogFile(runtime, *header, std::move(file)));
}

absl::Status WriteLogFile::AddSegment(uint64_t segment) {
  BATON_RETURN_IF_ERROR(
      WriteZeros(shape().FirstBlockOf(segment), shape().FirstBlockOf(segment + 1)));
  BATON_RETURN_IF_ERROR(WriteZeros(shape().ListBlockOf(segment), shape().ListBlockOf(segment + 1)));
  return sync_.Sync();
}

absl::Status WriteLogFile::WriteZeros(uint64_t begin, uint64_t end) {
  const uint64_t piece_blocks = std::min(end - begin, limits::kMiB / limits::kBlockBytes);
  const ResidentMemory memory(piece_blocks * limits::kBlockBytes);
  const MutableBytes zeros = {memory.data(), piece_blocks * limits::kBlockBytes};
  std::fill(zeros.begin(), zeros.end(), std::byte{0});
  for (uint64_t block = begin; block < end; block += piece_blocks) {
    const uint64_t bytes = std::min(piece_blocks, end - block) * limits::kBlockBytes;
    BATON_RETURN_IF_ERROR(
        file_->Write(block * limits::kBlockBytes, zeros.first(bytes), WriteMode::kCached));
  }
  return absl::OkStatus();
}

absl::Status WriteLogFile::WriteList(const SegmentList& list) {
  const uint64_t bytes = shape().list_blocks() * limits::kBlockBytes;
  const ResidentMemory memory(bytes);
  const MutableBytes blocks = {memory.data(), bytes};
  EncodeSegmentList(list, header_.nonce, blocks);
  return sync_.WriteDurable(shape().ListBlockOf(list.segment) * limits::kBlockBytes, blocks);
}

absl::Status WriteLogFile::WriteRecord(const SegmentRecord& record) {
  const ResidentMemory memory(limits::kBlockBytes);
  const MutableBytes block = {memory.data(), limits::kBlockBytes};
  EncodeSegmentRecord(record, header_.nonce, block);
  const uint64_t offset = (1 + record.segment) * limits::kBlockBytes;
  if (BATON_MUTANT(kSegmentRecordNotDurable)) {
    return file_->Write(offset, block, WriteMode::kCached);
  }
  return sync_.WriteDurable(offset, block);
}

absl::Status WriteLogFile::WriteEntry(const LogWrite& write, MutableBytes entry, bool durable) {
  EncodeLogWrite(write, entry.subspan(limits::kBlockBytes), header_.nonce,
                 entry.first(limits::kBlockBytes));
  const uint64_t offset = write.block * limits::kBlockBytes;
  if (durable) return sync_.WriteDurable(offset, entry);
  return file_->Write(offset, entry, WriteMode::kCached);
}

// Of the segments that were ever used.
absl::StatusOr<std::vector<SegmentRecord>> WriteLogFile::ReadRecords() const {
  const uint64_t bytes = shape().segments * limits::kBlockBytes;
  const ResidentMemory memory(bytes);
  const MutableBytes blocks = {memory.data(), bytes};
  BATON_RETURN_IF_ERROR(Read(1, blocks));
  std::vector<SegmentRecord> records;
  for (uint64_t segment = 0; segment < shape().segments; ++segment) {
    const absl::StatusOr<std::optional<SegmentRecord>> record = DecodeSegmentRecord(
        blocks.subspan(segment * limits::kBlockBytes, limits::kBlockBytes), header_.nonce, segment);
    if (!record.ok()) {
      return Annotate(record.status(), fmt::format("{}, the record of segment {}",
                                                   WriteLogPath(header_.epoch), segment));
    }
    if (record->has_value()) records.push_back(**record);
  }
  return records;
}

absl::Status WriteLogFile::Scan(absl::FunctionRef<void(const LogWrite&)> visit) const {
  BATON_ASSIGN_OR_RETURN(const std::vector<SegmentRecord> records, ReadRecords());
  const uint64_t list_bytes = shape().segments * shape().list_blocks() * limits::kBlockBytes;
  const uint64_t segment_bytes = shape().segment_blocks * limits::kBlockBytes;
  const ResidentMemory memory(list_bytes + segment_bytes);
  const MutableBytes lists = {memory.data(), list_bytes};
  BATON_RETURN_IF_ERROR(Read(shape().ListBlockOf(0), lists));
  for (const SegmentRecord& record : records) {
    if (record.first_sequence == 0) continue;
    const std::optional<SegmentList> list =
        DecodeSegmentList(ListIn(lists, record.segment), header_.nonce);
    if (list && list->segment == record.segment && list->first_sequence == record.first_sequence) {
      for (const LogWrite& write : list->writes) visit(write);
    } else {
      BATON_RETURN_IF_ERROR(
          ScanSegment(record, {memory.data() + list_bytes, segment_bytes}, visit));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<uint64_t> WriteLogFile::NewestMetaSequence() const {
  BATON_ASSIGN_OR_RETURN(const std::vector<SegmentRecord> records, ReadRecords());
  uint64_t newest = 0;
  for (const SegmentRecord& record : records) newest = std::max(newest, record.meta_sequence);
  return newest;
}

// An entry that was never answered may be torn or missing, and the next one whole. So every block
// that is in no whole entry is looked at.
absl::Status WriteLogFile::ScanSegment(const SegmentRecord& record, MutableBytes buffer,
                                       absl::FunctionRef<void(const LogWrite&)> visit) const {
  const uint64_t first = shape().FirstBlockOf(record.segment);
  BATON_RETURN_IF_ERROR(Read(first, buffer));
  for (uint64_t at = 0; at < shape().segment_blocks;) {
    const std::optional<LogWrite> write =
        DecodeLogWrite(buffer.subspan(at * limits::kBlockBytes), first + at, header_.nonce);
    const bool counts = write.has_value() && write->sequence >= record.first_sequence;
    if (counts) visit(*write);
    at += counts ? write->blocks() : 1;
  }
  return absl::OkStatus();
}

}  // namespace baton
