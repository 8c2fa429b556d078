#include "engine/clone/intent_log.h"

#include <algorithm>
#include <utility>

#include "engine/base/mutant.h"
#include "engine/base/status.h"
#include "engine/meta/pool_file.h"

namespace baton {
namespace {

// Slots lie far apart, and one read after the other would take most of the time of a start.
constexpr uint64_t kScanThreads = 8;

struct OpenRing {
  std::unique_ptr<File> file;
  bool is_old = false;
};

absl::StatusOr<OpenRing> OpenRingFile(Storage& storage, const RingShape& shape, bool read_only) {
  BATON_ASSIGN_OR_RETURN(std::unique_ptr<File> file,
                         storage.Open(kIntentsPath, {.direct = true, .read_only = read_only}));
  BATON_ASSIGN_OR_RETURN(const uint64_t size_bytes, file->SizeBytes());
  const bool is_old = size_bytes == kOldRing.file_bytes();
  if (is_old || size_bytes == shape.file_bytes()) return OpenRing{std::move(file), is_old};
  return Error(absl::StatusCode::kDataLoss,
               "{}: it has {} bytes where a pool has {}: the file is garbled", kIntentsPath,
               size_bytes, shape.file_bytes());
}

// The blocks of all slots, into `blocks`.
absl::Status ReadBlocks(const File& file, Runtime& runtime, const RingShape& shape,
                        std::byte* blocks) {
  std::array<absl::Status, kScanThreads> results;
  std::vector<std::unique_ptr<Thread>> threads;
  for (uint64_t number = 0; number < kScanThreads; ++number) {
    threads.push_back(runtime.StartThread("slots", [&, number] {
      for (uint64_t i = number; i < shape.entries && results[number].ok(); i += kScanThreads) {
        results[number] =
            file.Read(shape.OffsetOf(i), {blocks + i * limits::kBlockBytes, limits::kBlockBytes});
      }
    }));
  }
  threads.clear();  // waits for them
  absl::Status status;
  for (const absl::Status& result : results) status.Update(result);
  return status;
}

absl::Status VisitSlots(const File& file, Runtime& runtime, const RingShape& shape,
                        SlotVisitor visit) {
  const ResidentMemory blocks(shape.entries * limits::kBlockBytes);
  BATON_RETURN_IF_ERROR(ReadBlocks(file, runtime, shape, blocks.data()));
  for (uint64_t entry = 0; entry < shape.entries; ++entry) {
    const absl::StatusOr<std::optional<IntentSlot>> slot =
        DecodeSlot({blocks.data() + entry * limits::kBlockBytes, limits::kBlockBytes});
    if (!slot.ok()) return Annotate(slot.status(), fmt::format("{}, slot {}", kIntentsPath, entry));
    if (BATON_MUTANT(kRecoveryStopsAtEmptySlot) && !slot->has_value()) break;
    if (slot->has_value()) BATON_RETURN_IF_ERROR(visit(entry, **slot));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ForEachIntentSlot(Storage& storage, Runtime& runtime, SlotVisitor visit,
                               const RingShape& shape) {
  BATON_ASSIGN_OR_RETURN(const OpenRing ring, OpenRingFile(storage, shape, true));
  return VisitSlots(*ring.file, runtime, ring.is_old ? kOldRing : shape, visit);
}

absl::StatusOr<std::unique_ptr<IntentLog>> IntentLog::Open(Storage& storage, Runtime& runtime,
                                                           uint64_t epoch, const RingShape& shape) {
  BATON_ASSIGN_OR_RETURN(OpenRing ring, OpenRingFile(storage, shape, false));
  return std::unique_ptr<IntentLog>(
      new IntentLog(storage, runtime, epoch, shape, std::move(ring.file), ring.is_old));
}

absl::StatusOr<uint64_t> IntentLog::NewestMetaSequence(Storage& storage, Runtime& runtime) {
  uint64_t newest = 0;
  BATON_RETURN_IF_ERROR(
      ForEachIntentSlot(storage, runtime, [&newest](uint64_t, const IntentSlot& slot) {
        newest = std::max(newest, slot.meta_sequence);
        return absl::OkStatus();
      }));
  return newest;
}

IntentLog::IntentLog(Storage& storage, Runtime& runtime, uint64_t epoch, const RingShape& shape,
                     std::unique_ptr<File> file, bool is_old)
    : storage_(storage),
      runtime_(runtime),
      epoch_(epoch),
      shape_(shape),
      file_(std::move(file)),
      is_old_(is_old),
      memory_(shape.file_bytes()) {
  free_.reserve(shape_.entries);
  for (uint32_t entry = 0; entry < shape_.entries; ++entry) free_.push_back(entry);
}

absl::Status IntentLog::ForEach(SlotVisitor visit) {
  return VisitSlots(*file_, runtime_, is_old_ ? kOldRing : shape_,
                    [&](uint64_t entry, const IntentSlot& slot) {
                      sequence_ = std::max(sequence_.load(), slot.sequence);
                      return visit(entry, slot);
                    });
}

absl::Status IntentLog::ReadData(uint64_t entry, uint64_t offset, MutableBytes out) const {
  return file_->Read(shape_.OffsetOf(entry) + limits::kBlockBytes + offset, out);
}

absl::Status IntentLog::Renew() {
  BATON_RETURN_IF_ERROR(RenewIntents(storage_));
  BATON_ASSIGN_OR_RETURN(OpenRing ring, OpenRingFile(storage_, shape_, false));
  file_ = std::move(ring.file);
  is_old_ = ring.is_old;
  return absl::OkStatus();
}

std::optional<uint32_t> IntentLog::TryAcquire() {
  absl::MutexLock guard(&mutex_);
  if (free_.empty()) return std::nullopt;
  const uint32_t entry = free_.back();
  free_.pop_back();
  return entry;
}

void IntentLog::Release(uint32_t entry) {
  absl::MutexLock guard(&mutex_);
  free_.push_back(entry);
}

size_t IntentLog::free_entries() const {
  absl::MutexLock guard(&mutex_);
  return free_.size();
}

MutableBytes IntentLog::Data(uint32_t entry) const {
  return {memory_.data() + shape_.OffsetOf(entry) + limits::kBlockBytes, shape_.data_bytes};
}

MutableBytes IntentLog::Encode(uint32_t entry, IntentSlot& slot) {
  const MutableBytes block = {memory_.data() + shape_.OffsetOf(entry), limits::kBlockBytes};
  slot.epoch = epoch_;
  slot.sequence = sequence_.fetch_add(1) + 1;
  EncodeSlot(slot, block);
  return block;
}

absl::Status IntentLog::Write(uint32_t entry, IntentSlot& slot) {
  const MutableBytes block = Encode(entry, slot);
  const Bytes whole(block.data(), block.size() + slot.data_bytes);
  if (BATON_MUTANT(kEntryNotDurable)) {
    return file_->Write(shape_.OffsetOf(entry), whole, WriteMode::kCached);
  }
  if (BATON_MUTANT(kEntryWithoutData)) {
    return file_->Write(shape_.OffsetOf(entry), block, WriteMode::kDurable);
  }
  return file_->Write(shape_.OffsetOf(entry), whole, WriteMode::kDurable);
}

SideWrite IntentLog::Prepare(uint32_t entry, IntentSlot& slot) {
  slot.data_bytes = 0;
  return {file_.get(), shape_.OffsetOf(entry), Encode(entry, slot)};
}

}  // namespace baton
