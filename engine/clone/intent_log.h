// The ring of intent slots of a pool (POOL/intents): the hot end of the residual log.
#pragma once

#include <absl/synchronization/mutex.h>

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "engine/base/runtime.h"
#include "engine/base/storage.h"
#include "engine/clone/intent_slot.h"

namespace baton {

// Hands out slots to copies and takes them back once the bits that they stand for are durable
// (O3). Shared by all clones of the pool. Thread-safe; no allocation after construction.
class IntentLog {
 public:
  // Opens the pool's ring, which PoolFile made; DataLoss when it is not of its full size.
  static absl::StatusOr<std::unique_ptr<IntentLog>> Open(Storage& storage, Runtime& runtime,
                                                         uint64_t epoch);

  // The newest durable metadata write that any slot of the pool's ring knows of; 0: none. DataLoss
  // as ForEach.
  static absl::StatusOr<uint64_t> NewestMetaSequence(Storage& storage, Runtime& runtime);

  // Visits every slot that was ever used; looks at all of them, in whatever order they were
  // written. DataLoss names the slot that is garbled. To be called before the first Acquire.
  absl::Status ForEach(const std::function<absl::Status(const IntentSlot&)>& visit);

  // A free slot, or none at the moment.
  std::optional<uint32_t> TryAcquire();
  void Release(uint32_t slot);
  size_t free_slots() const;

  // Completes `slot` (epoch, sequence), encodes it into `block` and says where it goes, for a
  // SideBySide write.
  SideWrite Prepare(uint32_t index, IntentSlot& slot, MutableBytes block);

 private:
  IntentLog(Runtime& runtime, uint64_t epoch, std::unique_ptr<File> file);

  Runtime& runtime_;
  const uint64_t epoch_;
  const std::unique_ptr<File> file_;
  std::atomic<uint64_t> sequence_{0};
  mutable absl::Mutex mutex_;
  std::vector<uint32_t> free_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace baton
