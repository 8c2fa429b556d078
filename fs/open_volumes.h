// The volumes that are open through the mount.
#pragma once

#include <absl/container/flat_hash_map.h>
#include <absl/status/statusor.h>
#include <absl/synchronization/mutex.h>

#include <memory>
#include <vector>

#include "engine/base/volume_directory.h"
#include "fs/io_counters.h"
#include "fs/open_table.h"

namespace baton::fs {

// Opens volumes when they are first used, and keeps them open while a file is. The kernel does not
// repeat OPEN to a successor: `table` has what earlier processes were asked to open.
//
// Thread-safe. A request takes a shared lock around one look-up and allocates nothing.
class OpenVolumes {
 public:
  OpenVolumes(VolumeDirectory& directory, OpenTable& table);

  // Reads what is open from the table, and counts it. Before any request, and when the process
  // before has ended. Never waits.
  void CountOpens();
  // Opens what is counted, so that nobody deletes it. What cannot be opened is left to the requests
  // that use it.
  void OpenCounted();

  // For a request: the I/O path of the volume, which lives as long as the pointer is held, and
  // where the request is counted.
  struct Used {
    std::shared_ptr<VolumeIo> io;
    VolumeCounters* counters = nullptr;  // lives as long as this object
  };
  absl::StatusOr<Used> Get(uint64_t id);

  // `handle`: the number of the request. ResourceExhausted: the table is full.
  absl::Status AddOpen(uint64_t id, uint64_t handle);
  // The volume is let go with the last one that the table has, or with any if it has none.
  void DropOpen(uint64_t id, uint64_t handle);

  // Of the volumes that were ever used, by id. Never waits.
  std::vector<VolumeIoCounts> Counts() const;

 private:
  // Kept when the volume is closed.
  struct Volume {
    VolumeCounters counters;
    std::shared_ptr<VolumeIo> io;      // null: not open
    std::shared_ptr<const void> hold;  // of opens before this process; null: there were none
    int64_t opens = 0;
  };

  Used Find(uint64_t id) const;
  void CountOpen(uint64_t id, std::shared_ptr<VolumeIo> io, std::shared_ptr<const void> hold);
  Volume& Entry(uint64_t id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  VolumeDirectory& directory_;
  OpenTable& table_;
  mutable absl::Mutex mutex_;  // never held over a call of directory_
  absl::flat_hash_map<uint64_t, std::unique_ptr<Volume>> volumes_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace baton::fs
