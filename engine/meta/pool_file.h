// POOL/pool.pb: what makes a directory a pool. A SealedBytes whose payload is a PoolRecord;
// written as the last step of making the pool, and again when its format grows.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <string>

#include "engine/base/model.pb.h"
#include "engine/base/runtime.h"
#include "engine/base/storage.h"

namespace baton {

inline constexpr char kPoolPath[] = "pool.pb";
inline constexpr char kVolumesPath[] = "volumes";
inline constexpr char kIntentsPath[] = "intents";
// 1: `intents` has 256 slots and no room for data. 2: it is an intent log of entries of a slot and
// data. 3: what hosts have written may be in a write log (POOL/writes).
inline constexpr uint32_t kPoolFormatVersion = 3;

// 32 hex digits from the kernel's random numbers.
std::string RandomPoolId();

// Whether a pool may be made in `storage`: it is empty but for lost+found, or holds what a crash in
// the middle of InitPool has left. AlreadyExists: it is a pool. FailedPrecondition: it is not
// empty.
absl::Status CheckIsFree(Storage& storage);

// Makes an empty pool in `storage`, durable when it returns OK; after an error the directory is as
// empty as before. Errors: also those of CheckIsFree.
absl::Status InitPool(Storage& storage, Durability durability, Runtime& runtime,
                      const std::string& pool_id = RandomPoolId());

// Makes a pool of format 1 one of ours, whose intent log is empty: nothing may be needed any more
// of what the old slots say. After a crash in the middle of it the old slots, or the new log, are
// there as a whole, and it may be repeated. A program that knows format 1 only refuses the pool.
absl::Status RenewIntents(Storage& storage);

// The pool is of our format, durably, when it returns OK: a program that knows an earlier one
// refuses it. REQUIRES: it is not of format 1.
absl::Status RaiseFormat(Storage& storage);

// NotFound: not a pool. FailedPrecondition: of a newer format. DataLoss: pool.pb is garbled.
absl::StatusOr<PoolRecord> ReadPool(Storage& storage);

}  // namespace baton
