// The path of host I/O to one volume: interceptors that come and go while I/O flows, and a gate.
#pragma once

#include <absl/base/thread_annotations.h>
#include <absl/synchronization/mutex.h>

#include <array>
#include <atomic>
#include <memory>
#include <vector>

#include "engine/base/latency_histogram.h"
#include "engine/base/runtime.h"
#include "engine/base/volume_io.h"

namespace baton {

// An interceptor in a volume's I/O path. What a plugin overrides is what it changes; the rest
// passes through. Called from any number of threads at once. `next` is what stands behind it.
class IoPlugin {
 public:
  virtual ~IoPlugin() = default;
  virtual absl::Status Read(VolumeIo& next, uint64_t offset, MutableBytes out) {
    return next.Read(offset, out);
  }
  virtual absl::Status Write(VolumeIo& next, uint64_t offset, Bytes data) {
    return next.Write(offset, data);
  }
  virtual absl::Status Flush(VolumeIo& next) { return next.Flush(); }
  virtual absl::Status Discard(VolumeIo& next, uint64_t offset, uint64_t length_bytes) {
    return next.Discard(offset, length_bytes);
  }
};

// How busy the host is; who compares two of them knows whether it did anything in between.
struct HostActivity {
  uint64_t in_flight = 0;
  uint64_t completed = 0;  // since construction; a hint: may count an I/O that began anew twice
};

// Every host I/O passes the plugins that are installed, the newest first (but for one in front of
// them), then the volume.
//
// There are two slots, each with a chain of plugins; one is active. An I/O counts itself into the
// active slot and leaves it when done: two atomic additions, no lock, no allocation. A change
// builds the other slot, makes it active, and waits until the old one is empty.
//
// Thread-safe. Whatever waits here for I/O to drain (Install, Remove, CloseWrites, Shutdown) must
// not be called from inside an I/O of the same path: it would wait for itself.
class IoPath final : public VolumeIo {
 public:
  // `volume` outlives the path.
  IoPath(Runtime& runtime, VolumeIo& volume);
  IoPath(const IoPath&) = delete;
  IoPath& operator=(const IoPath&) = delete;
  ~IoPath() override;  // no I/O and no other call is inside

  uint64_t size_bytes() const override { return volume_.size_bytes(); }
  absl::Status Read(uint64_t offset, MutableBytes out) override;
  absl::Status Write(uint64_t offset, Bytes data) override;
  absl::Status Flush() override;
  absl::Status Discard(uint64_t offset, uint64_t length_bytes) override;

  // When it returns, every I/O that is in flight or comes later passes the plugin.
  // REQUIRES: not installed.
  void Install(std::shared_ptr<IoPlugin> plugin) ABSL_LOCKS_EXCLUDED(mutex_);
  // As Install: the one that stands in front of all others, also of those that are installed later.
  // REQUIRES: there is none.
  void InstallInFront(std::shared_ptr<IoPlugin> plugin) ABSL_LOCKS_EXCLUDED(mutex_);
  // When it returns, no I/O is inside the plugin and none will be. Nothing happens when the
  // plugin is not installed.
  void Remove(const std::shared_ptr<IoPlugin>& plugin) ABSL_LOCKS_EXCLUDED(mutex_);

  // New writes and discards wait from now on; returns when those in flight are done. Reads and
  // flushes go on. Nests: writes flow again when OpenWrites was called as often.
  void CloseWrites() ABSL_LOCKS_EXCLUDED(mutex_);
  void OpenWrites() ABSL_LOCKS_EXCLUDED(mutex_);

  // Ends the path: all I/O that waits or comes later returns `status` (not OK); returns when
  // everything in flight is done and no plugin is installed any more (a plugin may hold the volume
  // that holds this path). A repeated call keeps the first status and waits as well.
  void Shutdown(const absl::Status& status) ABSL_LOCKS_EXCLUDED(mutex_);

  // I/O that waits at a gate does not count.
  HostActivity Activity() const;

  // From the first StartTiming to as many StopTimings it is noted how long reads, writes and
  // flushes take, from the gate to the answer. (Not discards, which take as long as they are.) At
  // other times that costs nothing.
  void StartTiming() ABSL_LOCKS_EXCLUDED(mutex_);
  void StopTiming() ABSL_LOCKS_EXCLUDED(mutex_);
  // What was noted since construction. REQUIRES: StartTiming was called.
  LatencyCounts Latencies() const { return latencies_->Load(); }

 private:
  enum Kind { kReading, kWriting };  // reads and flushes; writes and discards
  static constexpr int kKinds = 2;
  // A plugin as the VolumeIo that stands in front of `next`.
  class Link;

  // Both counters only grow; their difference is what is inside. A cache line each, so that
  // readers and writers of a volume do not slow each other down.
  struct alignas(64) Count {
    std::atomic<uint64_t> entered = 0;
    std::atomic<uint64_t> left = 0;
    bool IsEmpty() const;
  };
  struct Slot {
    std::array<Count, kKinds> counts;
    // Changed only while the slot is inactive and empty.
    std::vector<std::unique_ptr<Link>> chain;
    VolumeIo* head = nullptr;
  };
  class Passage;

  // Null: the path was shut down.
  Slot* Enter(Kind kind) ABSL_LOCKS_EXCLUDED(mutex_);
  void Leave(Slot& slot, Kind kind) ABSL_LOCKS_EXCLUDED(mutex_);
  bool WaitAtGate(Kind kind) ABSL_LOCKS_EXCLUDED(mutex_);
  template <typename Call>
  absl::Status Pass(Kind kind, const Call& call);
  template <typename Call>
  absl::Status PassTimed(Kind kind, const Call& call);

  void BeginChange() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void EndChange() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Swap() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  template <typename Idle>
  void DrainUntil(const Idle& idle) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool HasNone(Kind kind) const;

  Runtime& runtime_;
  VolumeIo& volume_;
  std::array<Slot, 2> slots_;

  // The number of the active slot, the gates, and whether I/O is timed. Changed under mutex_, read
  // without.
  std::atomic<uint32_t> state_ = 0;
  // Who waits for counters; while there are none, leaving takes no lock.
  std::atomic<int> drainers_ = 0;
  // Made by the first StartTiming, before state_ says that I/O is timed.
  std::unique_ptr<LatencyHistogram> latencies_;

  absl::Mutex mutex_;
  absl::CondVar gate_changed_;
  absl::CondVar left_;
  absl::CondVar change_ended_;
  std::vector<std::shared_ptr<IoPlugin>> plugins_ ABSL_GUARDED_BY(mutex_);  // oldest first
  bool has_front_ ABSL_GUARDED_BY(mutex_) = false;  // then it is the last one
  bool changing_ ABSL_GUARDED_BY(mutex_) = false;
  int closers_ ABSL_GUARDED_BY(mutex_) = 0;
  int timers_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Status shutdown_ ABSL_GUARDED_BY(mutex_);
};

// The I/O of a path is timed for as long as it lives.
class PathTiming {
 public:
  explicit PathTiming(IoPath& path) : path_(path) { path_.StartTiming(); }
  ~PathTiming() { path_.StopTiming(); }
  PathTiming(const PathTiming&) = delete;
  PathTiming& operator=(const PathTiming&) = delete;
  LatencyCounts Load() const { return path_.Latencies(); }

 private:
  IoPath& path_;
};

// Keeps the writes of a path out for as long as it lives: freeze, flush, commit.
class WriteFreeze {
 public:
  explicit WriteFreeze(IoPath& path) : path_(path) { path_.CloseWrites(); }
  ~WriteFreeze() { path_.OpenWrites(); }
  WriteFreeze(const WriteFreeze&) = delete;
  WriteFreeze& operator=(const WriteFreeze&) = delete;

 private:
  IoPath& path_;
};

}  // namespace baton
