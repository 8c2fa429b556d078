// The volumes that are open through the mount.
#pragma once

#include <absl/container/flat_hash_map.h>
#include <absl/status/statusor.h>
#include <absl/synchronization/mutex.h>

#include <atomic>
#include <memory>

#include "engine/base/runtime.h"
#include "fs/open_table.h"
#include "fs/volume_directory.h"

namespace baton::fs {

// Opens volumes when they are first used, and keeps them open while a file is. The kernel does not
// repeat OPEN to a successor: `table` has what earlier processes were asked to open.
//
// Thread-safe. A request takes a shared lock around one look-up and allocates nothing.
class OpenVolumes {
 public:
  OpenVolumes(VolumeDirectory& directory, Runtime& runtime, OpenTable& table);

  // Reads what is open from the table, and counts it. Before any request, and when the process
  // before has ended. Never waits.
  void CountOpens();
  // Opens what is counted, so that nobody deletes it. What cannot be opened is left to the requests
  // that use it.
  void OpenCounted();

  // For a request: the I/O path of the volume, which lives as long as the pointer is held.
  absl::StatusOr<std::shared_ptr<VolumeIo>> Get(uint64_t id);

  // `handle`: the number of the request. ResourceExhausted: the table is full.
  absl::Status AddOpen(uint64_t id, uint64_t handle);
  // The volume is let go with the last one that the table has, or with any if it has none.
  void DropOpen(uint64_t id, uint64_t handle);

  // When the volume was last written through this mount. Where that is not known: when this object
  // was made, so that a tool which compares times never takes a volume for unchanged.
  int64_t LastWriteUnixUs(uint64_t id) const;
  void NoteWrite(uint64_t id);

 private:
  struct Volume {
    explicit Volume(int64_t unix_us) : written_unix_us(unix_us) {}
    std::shared_ptr<VolumeIo> io;      // null: not open
    std::shared_ptr<const void> hold;  // of opens before this process; null: there were none
    int64_t opens = 0;
    std::atomic<int64_t> written_unix_us;
  };

  int64_t NowUnixUs() const;
  std::shared_ptr<VolumeIo> Find(uint64_t id) const;
  void CountOpen(uint64_t id, std::shared_ptr<VolumeIo> io, std::shared_ptr<const void> hold);
  Volume& Entry(uint64_t id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  VolumeDirectory& directory_;
  Runtime& runtime_;
  OpenTable& table_;
  const int64_t made_unix_us_;
  mutable absl::Mutex mutex_;  // never held over a call of directory_
  // Entries stay (the time of the last write must not be forgotten), so pointers into it do too.
  absl::flat_hash_map<uint64_t, std::unique_ptr<Volume>> volumes_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace baton::fs
