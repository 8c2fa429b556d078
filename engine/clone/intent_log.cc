#include "engine/clone/intent_log.h"

#include <algorithm>
#include <optional>

#include "engine/base/buffer_pool.h"
#include "engine/base/limits.h"
#include "engine/base/mutant.h"
#include "engine/base/status.h"

namespace baton {
namespace {

constexpr char kPath[] = "intents";
constexpr uint64_t kRingBytes = limits::kIntentSlots * limits::kBlockBytes;
constexpr uint64_t kScanBlocks = 16;  // read at once
static_assert(limits::kIntentSlots % kScanBlocks == 0);

}  // namespace

absl::StatusOr<std::unique_ptr<IntentLog>> IntentLog::Open(Storage& storage, Runtime& runtime,
                                                           uint64_t epoch) {
  BATON_ASSIGN_OR_RETURN(std::unique_ptr<File> file, storage.Open(kPath, {.direct = true}));
  BATON_ASSIGN_OR_RETURN(const uint64_t size_bytes, file->SizeBytes());
  if (size_bytes != kRingBytes) {
    return Error(absl::StatusCode::kDataLoss,
                 "{}: it has {} bytes where a pool has {}: the file is garbled", kPath, size_bytes,
                 kRingBytes);
  }
  return std::unique_ptr<IntentLog>(new IntentLog(runtime, epoch, std::move(file)));
}

absl::StatusOr<uint64_t> IntentLog::NewestMetaSequence(Storage& storage, Runtime& runtime) {
  BATON_ASSIGN_OR_RETURN(const std::unique_ptr<IntentLog> log, Open(storage, runtime, 0));
  uint64_t newest = 0;
  BATON_RETURN_IF_ERROR(log->ForEach([&newest](const IntentSlot& slot) {
    newest = std::max(newest, slot.meta_sequence);
    return absl::OkStatus();
  }));
  return newest;
}

IntentLog::IntentLog(Runtime& runtime, uint64_t epoch, std::unique_ptr<File> file)
    : runtime_(runtime), epoch_(epoch), file_(std::move(file)) {
  free_.reserve(limits::kIntentSlots);
  for (uint32_t slot = 0; slot < limits::kIntentSlots; ++slot) free_.push_back(slot);
}

absl::Status IntentLog::ForEach(const std::function<absl::Status(const IntentSlot&)>& visit) {
  BufferPool pool(runtime_, 1, kScanBlocks * limits::kBlockBytes);
  const BufferPool::Lease buffer = pool.Acquire();
  for (uint64_t index = 0; index < limits::kIntentSlots; ++index) {
    const uint64_t in_buffer = index % kScanBlocks;
    if (in_buffer == 0) {
      BATON_RETURN_IF_ERROR(file_->Read(index * limits::kBlockBytes, buffer.bytes()));
    }
    absl::StatusOr<std::optional<IntentSlot>> slot =
        DecodeSlot(buffer.bytes().subspan(in_buffer * limits::kBlockBytes, limits::kBlockBytes));
    if (!slot.ok()) return Annotate(slot.status(), fmt::format("{}, slot {}", kPath, index));
    if (BATON_MUTANT(kRecoveryStopsAtEmptySlot) && !slot->has_value()) break;
    if (!slot->has_value()) continue;
    sequence_ = std::max(sequence_.load(), (*slot)->sequence);
    BATON_RETURN_IF_ERROR(visit(**slot));
  }
  return absl::OkStatus();
}

std::optional<uint32_t> IntentLog::TryAcquire() {
  absl::MutexLock guard(&mutex_);
  if (free_.empty()) return std::nullopt;
  const uint32_t slot = free_.back();
  free_.pop_back();
  return slot;
}

void IntentLog::Release(uint32_t slot) {
  absl::MutexLock guard(&mutex_);
  free_.push_back(slot);
}

size_t IntentLog::free_slots() const {
  absl::MutexLock guard(&mutex_);
  return free_.size();
}

SideWrite IntentLog::Prepare(uint32_t index, IntentSlot& slot, MutableBytes block) {
  slot.epoch = epoch_;
  slot.sequence = sequence_.fetch_add(1) + 1;
  EncodeSlot(slot, block);
  return {file_.get(), index * limits::kBlockBytes, block};
}

}  // namespace baton
