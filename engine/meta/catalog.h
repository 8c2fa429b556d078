// The typed view of the metadata: which rows there are, and how they are spelled.
//
// Rows, by column: key -> value (BE64: 8 bytes, big-endian, so that keys sort by number)
//  - volumes: BE64 id -> VolumeRecord
//  - relations: BE64 id -> RelationRecord
//  - bitmap: BE64 run id, BE32 page -> bits of limits::kExtentsPerBitmapPage extents (bit_merge.h)
//  - digests: BE64 run id, BE64 first -> 16 bytes for each extent of a run of extents
//  - events: BE64 sequence -> Event
//  - system: "epoch" -> BE64, the epoch of the newest batch; part of every batch
//  - system: "times" -> BE64, the epoch whose seal brought the times in the records of volumes up
//    to date
//  - system: "lock/" BE64 volume, node -> LockRecord, while the node's programs hold locks on it
//  - system: "change/" BE64 volume -> VolumeRecord that its file is being made to fit
//  - system: "evicted/" NODE -> EvictionRecord
//  - system: "id/" BE64 id -> empty; the greatest one is the last id that was given out
#pragma once

#include <absl/base/thread_annotations.h>
#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/synchronization/mutex.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "engine/base/checksum.h"
#include "engine/base/model.pb.h"
#include "engine/base/runtime.h"
#include "engine/meta/catalog_reader.h"
#include "engine/meta/meta_store.h"

namespace baton {

// The first id that is given out: 1 is the root directory of the mount.
inline constexpr uint64_t kFirstId = 2;

// Thread-safe after Load. Functions that take a MetaBatch only add to it: nothing is stored before
// Commit, and a batch may be dropped instead (an id or event number in it is then never used).
// A row that is not what it must be is DataLoss; the message names its column and key.
class Catalog : public CatalogReader {
 public:
  Catalog(MetaStore& store, Runtime& runtime, uint64_t epoch, std::string node);
  Catalog(const Catalog&) = delete;
  Catalog& operator=(const Catalog&) = delete;

  // Once, before anything else. DataLoss also when the store belongs to a newer epoch than ours.
  absl::Status Load();

  // The next id of the one counter for volumes, relations and runs; never given out again once
  // `batch` is committed, in whatever order batches are committed.
  uint64_t AllocateId(MetaBatch& batch);

  // Sets the record's version.
  void PutVolume(MetaBatch& batch, VolumeRecord record) const;
  void DeleteVolume(MetaBatch& batch, uint64_t id) const;
  // The records of volumes say when each changed last, and none changes any more in this epoch.
  void SetTimesKnown(MetaBatch& batch) const;
  // A volume's record is deleted, its file may be there still: nobody's, to be removed.
  void MarkDeletedFile(MetaBatch& batch, const std::string& volume) const;
  void ForgetDeletedFile(MetaBatch& batch, const std::string& volume) const;
  absl::StatusOr<std::vector<std::string>> LoadDeletedFiles() const;
  // The volume's file is about to become that of `next`, in size or name. While this is recorded
  // the file may be either; the record of the volume says which one it has to be.
  void PutChange(MetaBatch& batch, VolumeRecord next) const;
  void DropChange(MetaBatch& batch, uint64_t volume_id) const;
  absl::StatusOr<std::vector<VolumeRecord>> LoadChanges() const;
  // What the programs of a node hold on a volume; a record without locks is deleted.
  void PutLocks(MetaBatch& batch, LockRecord record) const;
  // Those of all nodes.
  void DropLocks(MetaBatch& batch, uint64_t volume_id) const;
  absl::StatusOr<std::vector<LockRecord>> LoadLocks() const;
  // One a node.
  void PutEviction(MetaBatch& batch, EvictionRecord record) const;
  void DeleteEviction(MetaBatch& batch, const std::string& node) const;
  absl::StatusOr<std::vector<EvictionRecord>> LoadEvictions() const;
  void PutRelation(MetaBatch& batch, RelationRecord record) const;
  void DeleteRelation(MetaBatch& batch, uint64_t id) const;

  // The extents [first_extent, first_extent + count) of a run are copied.
  void MarkCopied(MetaBatch& batch, uint64_t run_id, uint64_t first_extent, uint64_t count) const;

  // An extent that is copied and has no digest was a hole: zeros.
  void PutDigests(MetaBatch& batch, uint64_t run_id, uint64_t first_extent,
                  std::span<const Digest> digests) const;

  // How many copies of extents were begun for a run.
  void PutCopies(MetaBatch& batch, uint64_t run_id, uint64_t copies) const;

  // Forgets the bits of a run; its digests and copies stay.
  void DropBits(MetaBatch& batch, uint64_t run_id) const;
  // Forgets bits, digests and copies of a run.
  void DropRun(MetaBatch& batch, uint64_t run_id) const;

  // Fills version, sequence, time, epoch and node. Some limits::kMaxEvents are kept: the oldest
  // ones are dropped in the same batch.
  void AddEvent(MetaBatch& batch, Event event);
  uint64_t last_event_sequence() const;

  // Writes `batch` and the epoch row, atomically. An error is final, see MetaStore.
  absl::Status Commit(MetaBatch batch, Durable durable);

  // See MetaStore::LatestSequence and MetaStore::SyncedSequence.
  uint64_t last_sequence() const { return store_.LatestSequence(); }
  uint64_t synced_sequence() const { return store_.SyncedSequence(); }
  uint64_t epoch() const { return epoch_; }

 private:
  absl::Status CheckEpoch() const;
  absl::Status LoadIds();
  absl::Status LoadEventRange();
  void TrimEvents(MetaBatch& batch) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  MetaStore& store_;
  Runtime& runtime_;
  const uint64_t epoch_;
  const std::string node_;

  mutable absl::Mutex mutex_;  // never held over I/O
  uint64_t last_id_ ABSL_GUARDED_BY(mutex_) = kFirstId - 1;
  std::vector<std::string> stale_id_keys_ ABSL_GUARDED_BY(mutex_);
  uint64_t first_event_ ABSL_GUARDED_BY(mutex_) = 1;
  uint64_t last_event_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace baton
