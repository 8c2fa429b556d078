#include "engine/clone/intent_log.h"

#include <algorithm>
#include <utility>

#include "engine/base/mutant.h"
#include "engine/base/retry.h"
#include "engine/base/side_by_side.h"
#include "engine/base/status.h"
#include "engine/meta/pool_file.h"

namespace baton {
namespace {

// Slots lie far apart, and one read after the other would take most of the time of a start.
constexpr uint64_t kScanThreads = 8;

struct OpenLog {
  std::unique_ptr<File> file;
  bool is_old = false;
};

absl::StatusOr<OpenLog> OpenLogFile(Storage& storage, const LogShape& shape, bool read_only) {
  BATON_ASSIGN_OR_RETURN(std::unique_ptr<File> file,
                         storage.Open(kIntentsPath, {.direct = true, .read_only = read_only}));
  BATON_ASSIGN_OR_RETURN(const uint64_t size_bytes, file->SizeBytes());
  const bool is_old = size_bytes == kOldLog.file_bytes();
  if (is_old || size_bytes == shape.file_bytes()) return OpenLog{std::move(file), is_old};
  return Error(absl::StatusCode::kDataLoss,
               "{}: it has {} bytes where a pool has {}: the file is garbled", kIntentsPath,
               size_bytes, shape.file_bytes());
}

// The blocks of all slots, into `blocks`; what became of each.
std::vector<absl::Status> ReadBlocks(const File& file, Runtime& runtime, const LogShape& shape,
                                     std::byte* blocks) {
  std::vector<absl::Status> results(shape.entries);
  SideBySide(runtime, "slots", kScanThreads, [&](size_t number) {
    bool has_failed = false;  // then storage has had its time
    for (uint64_t i = number; i < shape.entries; i += kScanThreads) {
      const auto read = [&] {
        return file.Read(shape.OffsetOf(i),
                         {blocks + i * limits::kBlockBytes, limits::kBlockBytes});
      };
      results[i] = has_failed ? read() : Repeated(runtime, read);
      has_failed = has_failed || !results[i].ok();
    }
  });
  return results;
}

// A sector can be unreadable; an intent log of which nothing can be read is a storage that is not
// there.
absl::Status CheckAnyIsRead(const std::vector<absl::Status>& results) {
  const auto is_good = [](const absl::Status& result) { return result.ok(); };
  const auto is_end = [](const absl::Status& result) { return absl::IsAborted(result); };
  if (const auto end = std::find_if(results.begin(), results.end(), is_end); end != results.end()) {
    return *end;
  }
  return std::any_of(results.begin(), results.end(), is_good) ? absl::OkStatus() : results.front();
}

absl::Status VisitSlots(const File& file, Runtime& runtime, const LogShape& shape,
                        SlotVisitor visit, UnreadableVisitor unreadable) {
  const ResidentMemory blocks(shape.entries * limits::kBlockBytes);
  const std::vector<absl::Status> results = ReadBlocks(file, runtime, shape, blocks.data());
  BATON_RETURN_IF_ERROR(CheckAnyIsRead(results));
  for (uint64_t entry = 0; entry < shape.entries; ++entry) {
    const std::string name = fmt::format("{}, slot {}", kIntentsPath, entry);
    if (!results[entry].ok()) {
      BATON_RETURN_IF_ERROR(unreadable(entry, Annotate(results[entry], name)));
      continue;
    }
    const absl::StatusOr<std::optional<IntentSlot>> slot =
        DecodeSlot({blocks.data() + entry * limits::kBlockBytes, limits::kBlockBytes});
    if (!slot.ok()) return Annotate(slot.status(), name);
    if (BATON_MUTANT(kRecoveryStopsAtEmptySlot) && !slot->has_value()) break;
    if (slot->has_value()) BATON_RETURN_IF_ERROR(visit(entry, **slot));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ForEachIntentSlot(Storage& storage, Runtime& runtime, SlotVisitor visit,
                               const LogShape& shape, UnreadableVisitor unreadable) {
  BATON_ASSIGN_OR_RETURN(const OpenLog log, OpenLogFile(storage, shape, true));
  return VisitSlots(*log.file, runtime, log.is_old ? kOldLog : shape, visit, unreadable);
}

absl::StatusOr<std::unique_ptr<IntentLog>> IntentLog::Open(Storage& storage, Runtime& runtime,
                                                           uint64_t epoch, const LogShape& shape,
                                                           OnFault on_fault) {
  BATON_ASSIGN_OR_RETURN(OpenLog log, OpenLogFile(storage, shape, false));
  return std::unique_ptr<IntentLog>(new IntentLog(
      storage, runtime, epoch, shape, std::move(log.file), log.is_old, std::move(on_fault)));
}

absl::StatusOr<uint64_t> IntentLog::NewestMetaSequence(Storage& storage, Runtime& runtime) {
  uint64_t newest = 0;
  const auto visit = [&newest](uint64_t, const IntentSlot& slot) {
    newest = std::max(newest, slot.meta_sequence);
    return absl::OkStatus();
  };
  const auto skip = [](uint64_t, const absl::Status&) { return absl::OkStatus(); };
  BATON_RETURN_IF_ERROR(ForEachIntentSlot(storage, runtime, visit, {}, skip));
  return newest;
}

IntentLog::IntentLog(Storage& storage, Runtime& runtime, uint64_t epoch, const LogShape& shape,
                     std::unique_ptr<File> file, bool is_old, OnFault on_fault)
    : storage_(storage),
      runtime_(runtime),
      epoch_(epoch),
      shape_(shape),
      on_fault_(std::move(on_fault)),
      is_old_(is_old),
      memory_(shape.file_bytes()) {
  Use(std::move(file));
  free_.reserve(shape_.entries);
  for (uint32_t entry = 0; entry < shape_.entries; ++entry) free_.push_back(entry);
}

void IntentLog::Use(std::unique_ptr<File> file) {
  file_ = std::move(file);
  sync_ = std::make_unique<GroupSync>(runtime_, *file_, on_fault_);
}

absl::Status IntentLog::ForEach(SlotVisitor visit, UnreadableVisitor unreadable) {
  const auto note = [&](uint64_t entry, const IntentSlot& slot) {
    sequence_ = std::max(sequence_.load(), slot.sequence);
    return visit(entry, slot);
  };
  return VisitSlots(*file_, runtime_, is_old_ ? kOldLog : shape_, note, unreadable);
}

absl::Status IntentLog::ReadData(uint64_t entry, uint64_t offset, MutableBytes out) const {
  return file_->Read(shape_.OffsetOf(entry) + limits::kBlockBytes + offset, out);
}

absl::Status IntentLog::Renew() {
  BATON_RETURN_IF_ERROR(RenewIntents(storage_));
  BATON_ASSIGN_OR_RETURN(OpenLog log, OpenLogFile(storage_, shape_, false));
  Use(std::move(log.file));
  is_old_ = log.is_old;
  return absl::OkStatus();
}

std::optional<LogEntry> IntentLog::TryAcquire() {
  if (free_.empty()) return std::nullopt;
  const uint32_t number = free_.back();
  free_.pop_back();
  return LogEntry(*this, number);
}

absl::StatusOr<LogEntry> IntentLog::Acquire() {
  {
    absl::MutexLock guard(&mutex_);
    if (!closed_.ok()) return closed_;
    if (std::optional<LogEntry> entry = TryAcquire()) return *std::move(entry);
  }
  ShortageListener* const listener = listener_;
  if (listener != nullptr) listener->OnShortage();
  absl::StatusOr<LogEntry> result = WaitForEntry();
  if (listener != nullptr) listener->OnShortageOver();
  return result;
}

absl::StatusOr<LogEntry> IntentLog::WaitForEntry() {
  absl::MutexLock guard(&mutex_);
  ++waiting_;
  while (closed_.ok() && free_.empty()) runtime_.Wait(given_back_, mutex_);
  --waiting_;
  if (!closed_.ok()) return closed_;
  return *TryAcquire();
}

void IntentLog::Close(const absl::Status& aborted) {
  absl::MutexLock guard(&mutex_);
  closed_.Update(aborted);
  given_back_.SignalAll();
}

void IntentLog::SetListener(ShortageListener* listener) { listener_ = listener; }

void IntentLog::GiveBack(uint32_t number) {
  absl::MutexLock guard(&mutex_);
  if (!closed_.ok()) return;
  free_.push_back(number);
  if (waiting_ > 0) given_back_.Signal();
}

size_t IntentLog::free_entries() const {
  absl::MutexLock guard(&mutex_);
  return free_.size();
}

MutableBytes IntentLog::Data(uint32_t number) const {
  return {memory_.data() + shape_.OffsetOf(number) + limits::kBlockBytes, shape_.data_bytes};
}

MutableBytes IntentLog::Encode(uint32_t number, IntentSlot& slot) {
  const MutableBytes block = {memory_.data() + shape_.OffsetOf(number), limits::kBlockBytes};
  slot.epoch = epoch_;
  slot.sequence = sequence_.fetch_add(1) + 1;
  EncodeSlot(slot, block);
  return block;
}

absl::Status IntentLog::Write(uint32_t number, IntentSlot& slot) {
  const MutableBytes block = Encode(number, slot);
  const Bytes whole(block.data(), block.size() + slot.data_bytes);
  if (BATON_MUTANT(kEntryNotDurable)) {
    return file_->Write(shape_.OffsetOf(number), whole, WriteMode::kCached);
  }
  if (BATON_MUTANT(kEntryWithoutData)) {
    return sync_->WriteDurable(shape_.OffsetOf(number), block);
  }
  return sync_->WriteDurable(shape_.OffsetOf(number), whole);
}

SideWrite IntentLog::Prepare(uint32_t number, IntentSlot& slot) {
  slot.data_bytes = 0;
  return {file_.get(), shape_.OffsetOf(number), Encode(number, slot)};
}

LogEntry& LogEntry::operator=(LogEntry&& other) noexcept {
  if (this == &other) return *this;
  GiveBack();
  log_ = std::exchange(other.log_, nullptr);
  number_ = other.number_;
  return *this;
}

void LogEntry::GiveBack() {
  if (log_ != nullptr) std::exchange(log_, nullptr)->GiveBack(number_);
}

MutableBytes LogEntry::Data() const { return log_->Data(number_); }
absl::Status LogEntry::Write(IntentSlot& slot) const { return log_->Write(number_, slot); }
SideWrite LogEntry::Prepare(IntentSlot& slot) const { return log_->Prepare(number_, slot); }

}  // namespace baton
