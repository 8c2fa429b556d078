// The directories in which the metadata of each epoch lives, and how the next owner gets its own.
//
//   meta/epoch-N         the metadata of epoch N: open for writing by the owner of N
//   meta/epoch-N.sealed  what a later owner has copied; the two newest are kept
//   meta/epoch-N.tmp     a copy in the making, or being removed
//
// A directory with the file UNPROVEN in it was made by a claim that has not found it to be whole
// yet; nothing that was stored in it was ever acknowledged. Leftovers (.tmp, UNPROVEN) are removed
// by the next claim, which starts from the same directory again: opening a store may drop the end
// of a damaged log, and what is left of it must not become the truth by trying twice.
//
// A new owner never opens a directory that an old one may still be writing. It
//   1. renames epoch-N to epoch-N.sealed: whatever the old owner does by path fails from now on
//      (new files, removals); what it still appends to files that it holds open is harmless;
//   2. copies the logs in the order of their numbers, then the MANIFEST that CURRENT names, then
//      links the tables (they never change), then writes CURRENT, into epoch-M.tmp. In this order
//      a flush in between is seen twice (log and table) instead of not at all, and a log that
//      grows in between loses a suffix only: what is copied is a consistent prefix, and has every
//      write that was acknowledged before step 1;
//   3. renames epoch-M.tmp, whose UNPROVEN has been durable since before the copy, to epoch-M;
//   4. opens the store, compares it with what was known to be durable, syncs files and directory,
//      removes UNPROVEN, syncs the directory and meta/.
// Nothing else is synced on the way: until the end nobody believes what is there, and one sync
// after all that was written costs what the first of many would. A crash anywhere in it leaves
// what the next claim continues from.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstdint>
#include <optional>
#include <string>

#include "engine/base/storage.h"

namespace baton {

// "meta/epoch-N", relative to the pool.
std::string EpochDirectory(uint64_t epoch);

// The newest epoch that has a proven directory, sealed or not; 0 when there is none yet.
absl::StatusOr<uint64_t> LatestEpoch(const Storage& storage);

// That of LatestEpoch(), sealed or not, relative to the pool; nullopt when there is none yet. It
// may be renamed or removed as soon as this returns.
struct LatestMetadata {
  uint64_t epoch = 0;
  std::string directory;
};
absl::StatusOr<std::optional<LatestMetadata>> FindLatestMetadata(const Storage& storage);

// Steps 1 to 3, before which leftovers and all but the two newest directories of earlier epochs are
// removed: makes the uncommitted directory of `to_epoch` from that of `from_epoch`, which is
// LatestEpoch(); with `from_epoch` 0 an empty one. REQUIRES: the caller has claimed `to_epoch`,
// greater than every epoch claimed before, and knows that the owners of the earlier ones are gone.
// DataLoss: `from_epoch` has no store, or a garbled one.
absl::Status SealAndCopy(Storage& storage, uint64_t from_epoch, uint64_t to_epoch);

// The end of step 4: makes what the directory holds durable, tables excepted, which whoever wrote
// them has made durable. What is stored in it counts from now on. A store may be open there.
absl::Status ProveEpoch(Storage& storage, uint64_t epoch);

}  // namespace baton
