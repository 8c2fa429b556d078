// The metadata store of production: RocksDB in the directory of one epoch.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <functional>
#include <memory>
#include <string>

#include "engine/base/fence.h"
#include "engine/meta/meta_store.h"

namespace baton {

struct RocksOptions {
  std::string directory;  // absolute path of meta/epoch-N
  // Borrowed: outlives the store. Once it refuses, no byte is appended, synced, renamed or removed
  // any more, and the store has failed for good.
  const Fence& fence;
  // Only for the first epoch of a pool: make an empty store where there is none. Otherwise a
  // directory without a store is an error, never an empty answer.
  bool create = false;
  // Nobody believes what the directory holds before the caller has proven it (epoch_directory.h).
  // Opening then syncs its tables at its end, and leaves the rest of what it writes to ProveEpoch;
  // SyncedSequence() is what it says once that is done.
  bool uncommitted = false;
  // Told the new SyncedSequence() after each durable write, from the writer's thread. May be empty.
  std::function<void(uint64_t sequence)> on_synced;
};

// One writer at a time: a second store on the directory is refused. DataLoss: RocksDB found the
// directory damaged. A log that ends in a torn or damaged record is cut there, silently, with all
// that follows: callers compare LatestSequence() with what is known to have been durable.
absl::StatusOr<std::unique_ptr<MetaStore>> OpenRocksStore(RocksOptions options);

// A look at a directory that another process may be writing (a RocksDB secondary instance). It
// sees a prefix of what was written, not all of it durable, and may stay behind without an error
// after the writer has flushed (facebook/rocksdb #14444). Nothing is written to the directory.
// Reads are thread-safe and go on while CatchUp runs.
class RocksFollower : public MetaReader {
 public:
  // One thread at a time. After an error (a file went away underneath) reads may fail too: open
  // another one.
  virtual absl::Status CatchUp() = 0;
};

// `directory`: absolute path.
absl::StatusOr<std::unique_ptr<RocksFollower>> FollowRocksStore(const std::string& directory);

}  // namespace baton
