// The intent log of a pool (POOL/intents): intent slots with the data that they preserve, the hot
// end of the residual log.
#pragma once

#include <absl/functional/function_ref.h>
#include <absl/synchronization/mutex.h>

#include <atomic>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "engine/base/resident_memory.h"
#include "engine/base/runtime.h"
#include "engine/base/storage.h"
#include "engine/clone/intent_slot.h"
#include "engine/volume/group_sync.h"

namespace baton {

// Entries of the intent log: a block with a slot, and room for data right behind it.
struct LogShape {
  uint64_t entries = limits::kLogEntries;
  uint64_t data_bytes = limits::kLogDataBytes;  // whole blocks

  uint64_t entry_bytes() const { return limits::kBlockBytes + data_bytes; }
  uint64_t file_bytes() const { return entries * entry_bytes(); }
  uint64_t OffsetOf(uint64_t entry) const { return entry * entry_bytes(); }
};

// What a pool of format 1 has: slots alone.
inline constexpr LogShape kOldLog = {.entries = 256, .data_bytes = 0};

using SlotVisitor = absl::FunctionRef<absl::Status(uint64_t entry, const IntentSlot& slot)>;
// Told of a slot that storage does not give, also after limits::kCopyAttempts attempts.
using UnreadableVisitor = absl::FunctionRef<absl::Status(uint64_t entry, const absl::Status& why)>;

// Without slots that cannot be read nothing goes on.
inline absl::Status RefuseUnreadable(uint64_t, const absl::Status& why) { return why; }

// Reads all slots of the pool's intent log, and only reads: visits every one that was ever used, in
// the order of their places, which says nothing about when they were written. DataLoss names the
// slot that is garbled, or says that the intent log is of neither its own nor the old size.
absl::Status ForEachIntentSlot(Storage& storage, Runtime& runtime, SlotVisitor visit,
                               const LogShape& shape = {},
                               UnreadableVisitor unreadable = RefuseUnreadable);

class IntentLog;

// An entry of the intent log in the hands of its only holder: the copy that fills it, then who
// brings its data to the target, then who records its bits. It goes back to the log, and to the
// next copy, when it is destroyed. Its holder keeps it until nothing needs what it holds any more:
// the bits are durable (O3), the end of the run is, or nothing was overwritten.
class LogEntry {
 public:
  LogEntry() = default;  // none
  ~LogEntry() { GiveBack(); }
  LogEntry(LogEntry&& other) noexcept
      : log_(std::exchange(other.log_, nullptr)), number_(other.number_) {}
  LogEntry& operator=(LogEntry&& other) noexcept;

  bool is_none() const { return log_ == nullptr; }
  uint64_t number() const { return number_; }  // its place in the file
  // As the destructor; what remains is none.
  void GiveBack();

  // REQUIRES of the rest: it is not none.

  // Where the holder puts its data: resident.
  MutableBytes Data() const;
  // Completes `slot` (epoch, sequence) and writes it with the data in front of which it stands, in
  // one durable write; slot.data_bytes says how many.
  absl::Status Write(IntentSlot& slot) const;
  // Completes and encodes a `slot` without data and says where it goes, for a write side by side
  // with that of the data to the target; not where there is no direct I/O.
  SideWrite Prepare(IntentSlot& slot) const;

 private:
  friend class IntentLog;
  LogEntry(IntentLog& log, uint32_t number) : log_(&log), number_(number) {}

  IntentLog* log_ = nullptr;
  uint32_t number_ = 0;
};

// Who holds entries and can give them back sooner than it would. Called without a lock held, from
// any thread that needs an entry; as often one as the other.
class ShortageListener {
 public:
  virtual ~ShortageListener() = default;
  virtual void OnShortage() = 0;
  virtual void OnShortageOver() = 0;
};

// The intent log and its entries, each of which has one holder or none. Shared by all clones of the
// pool, and there until the last entry is back. Thread-safe; no allocation after construction.
class IntentLog {
 public:
  using OnFault = std::function<void(const absl::Status&)>;

  // Opens the pool's intent log, which PoolFile made; DataLoss as ForEachIntentSlot. `on_fault` is
  // told of a sync of the log that failed, as by a GroupSync.
  static absl::StatusOr<std::unique_ptr<IntentLog>> Open(Storage& storage, Runtime& runtime,
                                                         uint64_t epoch, const LogShape& shape = {},
                                                         OnFault on_fault = {});

  // The newest durable metadata write that any readable slot of the pool's intent log knows of; 0:
  // none. DataLoss as ForEachIntentSlot.
  static absl::StatusOr<uint64_t> NewestMetaSequence(Storage& storage, Runtime& runtime);

  // As ForEachIntentSlot, and what is written from now on is newer than all that was found. To be
  // called before the first Acquire, and when no entry is in use any more.
  absl::Status ForEach(SlotVisitor visit, UnreadableVisitor unreadable = RefuseUnreadable);
  // Data of an entry as it is in the file, from byte `offset` of it on.
  absl::Status ReadData(uint64_t entry, uint64_t offset, MutableBytes out) const;

  // The intent log is one of a pool of format 1, or not. Renew makes it a new and empty one; to be
  // called when nothing of it is needed any more, and before the first Acquire.
  bool is_old() const { return is_old_; }
  absl::Status Renew();

  // An entry, waiting while all are in use. Aborted: since Close.
  absl::StatusOr<LogEntry> Acquire();
  // The engine cannot go on. Entries that come back from now on are kept: whether their bits are
  // durable is not known. Acquire returns `aborted`, also to those who wait.
  void Close(const absl::Status& aborted);
  // Told while somebody waits for an entry; null: nobody. Not while an entry is in use.
  void SetListener(ShortageListener* listener);

  size_t free_entries() const;
  bool is_direct() const { return IsDirect(*file_); }
  const LogShape& shape() const { return shape_; }

 private:
  IntentLog(Storage& storage, Runtime& runtime, uint64_t epoch, const LogShape& shape,
            std::unique_ptr<File> file, bool is_old, OnFault on_fault);

  friend class LogEntry;
  void GiveBack(uint32_t number);
  MutableBytes Data(uint32_t number) const;
  absl::Status Write(uint32_t number, IntentSlot& slot);
  SideWrite Prepare(uint32_t number, IntentSlot& slot);

  void Use(std::unique_ptr<File> file);
  MutableBytes Encode(uint32_t number, IntentSlot& slot);
  absl::StatusOr<LogEntry> WaitForEntry();
  std::optional<LogEntry> TryAcquire() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  Storage& storage_;
  Runtime& runtime_;
  const uint64_t epoch_;
  const LogShape shape_;
  const OnFault on_fault_;
  std::unique_ptr<File> file_;
  std::unique_ptr<GroupSync> sync_;  // of file_
  bool is_old_;
  const ResidentMemory memory_;  // one entry after the other, as in the file
  std::atomic<uint64_t> sequence_{0};
  std::atomic<ShortageListener*> listener_{nullptr};
  mutable absl::Mutex mutex_;
  absl::CondVar given_back_;
  std::vector<uint32_t> free_ ABSL_GUARDED_BY(mutex_);
  int waiting_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Status closed_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace baton
