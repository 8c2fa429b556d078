// A directory of volumes for tests of the mount: plain files, with counters and faults.
#pragma once

#include <absl/container/btree_map.h>
#include <absl/synchronization/mutex.h>

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "engine/base/unique_fd.h"
#include "engine/base/volume_directory.h"

namespace baton::fs {

// What reached the volumes. Lives where the test wants it, also in memory that processes share.
struct IoCounters {
  std::atomic<uint64_t> begun{0};  // reads and writes
  std::atomic<uint64_t> finished{0};
  std::atomic<uint64_t> reads{0};
  std::atomic<uint64_t> writes{0};
  std::atomic<uint64_t> flushes{0};
  std::atomic<uint64_t> discards{0};
  std::atomic<uint64_t> longest_bytes{0};
  std::atomic<uint64_t> unaligned_buffers{0};  // memory that does not begin at a page
  std::atomic<int> open_handles{0};
  std::atomic<uint64_t> names_listed{0};
};

// Thread-safe.
class FakeVolumes final : public VolumeDirectory {
 public:
  // Files are kept in `directory`; `open_flags` are added to the files' (O_DIRECT).
  FakeVolumes(std::string directory, IoCounters& counters, int open_flags = 0);

  void Add(uint64_t id, const std::string& name, uint64_t size_bytes);
  void Remove(uint64_t id);
  // Its content, now, by whomever.
  void Changed(uint64_t id);
  // Every call on a volume's content returns it from now on.
  void FailWith(absl::Status status);
  // From now on calls on content wait, as when nobody serves, until `outage` is false; those that
  // are called off end with Cancelled.
  void SetOutage(bool outage);
  void DelayEachIo(absl::Duration delay) { delay_ = delay; }
  std::string PathOf(uint64_t id) const;

  absl::StatusOr<std::vector<VolumeName>> List(uint64_t after_id, size_t limit) const override;
  absl::StatusOr<VolumeEntry> Lookup(const std::string& name) const override;
  absl::StatusOr<VolumeEntry> Get(uint64_t id) const override;
  absl::StatusOr<std::shared_ptr<VolumeIo>> Open(uint64_t id) override;
  absl::StatusOr<std::optional<DataRange>> NextData(uint64_t id, uint64_t offset) const override;
  absl::StatusOr<Capacity> GetCapacity() const override;
  void WakeWaiting() override;

  // What other nodes hold on every volume.
  void HoldElsewhere(FileLocks locks);
  // Nobody serves: no lock is granted.
  void StopServing(bool stopped) { unserved_ = stopped; }
  // What is told from now on was given to others.
  void LoseAll() { loses_ = true; }
  // What was told of the volume last.
  FileLocks ToldLocks(uint64_t id) const;
  absl::StatusOr<std::optional<FileLock>> SetLocks(uint64_t id, const FileLocks& locks) override;
  absl::StatusOr<std::vector<VolumeLocks>> SetAllLocks(
      const std::vector<VolumeLocks>& all) override;
  absl::StatusOr<std::optional<FileLock>> FindLock(uint64_t id,
                                                   const FileLock& wanted) const override;
  uint64_t Serving() const override { return unserved_ ? 0 : 1; }

  // For a volume's handle: begins and ends one transfer.
  absl::Status Begin(const void* memory, uint64_t length_bytes);
  void Finish() { ++counters_.finished; }
  absl::Status AwaitService();
  void Delay() const;
  IoCounters& counters() { return counters_; }

 private:
  VolumeEntry Current(const VolumeEntry& entry) const;

  const std::string directory_;
  IoCounters& counters_;
  const int open_flags_;
  std::atomic<absl::Duration> delay_ = absl::ZeroDuration();
  mutable absl::Mutex mutex_;
  absl::btree_map<uint64_t, VolumeEntry> entries_ ABSL_GUARDED_BY(mutex_);
  absl::Status failure_ ABSL_GUARDED_BY(mutex_);
  std::atomic<bool> unserved_ = false;
  std::atomic<bool> loses_ = false;
  FileLocks elsewhere_ ABSL_GUARDED_BY(mutex_);
  absl::btree_map<uint64_t, FileLocks> told_ ABSL_GUARDED_BY(mutex_);
  bool outage_ ABSL_GUARDED_BY(mutex_) = false;
  absl::CondVar changed_;
};

}  // namespace baton::fs
