// What the bytes of a volume may be: the history of every cell of 64 bytes, under concurrent
// reads, writes, flushes, discards and crashes.
#pragma once

#include <absl/synchronization/mutex.h>

#include <atomic>
#include <cstdint>
#include <limits>
#include <set>
#include <string>
#include <vector>

#include "engine/base/bytes.h"

namespace baton::model {

inline constexpr uint64_t kCellBytes = 64;

// Fills `out`, which begins at cell `first_cell` of a volume, with what the write `stamp` puts
// there. Each cell names the write and its own place. Stamp 0 is zeros.
void FillCells(uint64_t stamp, uint64_t first_cell, MutableBytes out);

// The order of what tests and engine do: one clock for all models of a test.
class Clock {
 public:
  uint64_t Tick() { return ++now_; }
  uint64_t NextStamp() { return ++stamp_; }

 private:
  std::atomic<uint64_t> now_{0};
  std::atomic<uint64_t> stamp_{0};
};

// Offsets and lengths are multiples of kCellBytes. Thread-safe.
class VolumeModel {
 public:
  VolumeModel(Clock& clock, uint64_t size_bytes);

  struct Write {
    uint64_t stamp = 0;  // 0: a discard
    uint64_t first = 0;  // cells
    uint64_t count = 0;
    uint64_t begin = 0;
  };
  // Before the write is issued; fill the data with FillCells(stamp, first, ...).
  Write BeginWrite(uint64_t offset, uint64_t length_bytes);
  Write BeginDiscard(uint64_t offset, uint64_t length_bytes);
  // Once it was acknowledged. One that never is may take effect at any later time.
  void Acknowledge(const Write& write);
  // It was refused and certainly had no effect.
  void Withdraw(const Write& write);

  // A time before the flush is issued; everything acknowledged before it is durable afterwards.
  uint64_t BeginFlush();
  void AcknowledgeFlush(uint64_t begin);

  // A time before the read is issued; then, when it was answered, whether it may have seen `data`
  // (empty: yes), or that it failed.
  uint64_t BeginRead();
  std::string CheckRead(uint64_t begin, uint64_t offset, Bytes data);
  void FailRead(uint64_t begin);

  // After a crash and recovery: `content` is the whole volume, flushed. Everything
  // else is forgotten. `lost_cache`: what was not flushed may be lost.
  std::string CheckRecovered(Bytes content, bool lost_cache);

  // T0 of a clone of this volume lies between Begin and End. A cell's possible T0 values: the
  // writes that may have been there, and when each began and was acknowledged.
  struct Candidate {
    uint64_t stamp = 0;
    uint64_t begin = 0;
    uint64_t end = 0;
  };
  using T0 = std::vector<std::vector<Candidate>>;
  void BeginT0();
  T0 EndT0();
  // This volume is a target whose content is from now on `t0`.
  void Adopt(const T0& t0);

 private:
  static constexpr uint64_t kNever = std::numeric_limits<uint64_t>::max();
  struct Entry {
    uint64_t stamp = 0;
    uint64_t begin = 0;
    uint64_t end = kNever;  // when it was acknowledged
    bool is_durable = false;
    // One of several T0 values of which one is true; the first that is seen rules out the others.
    bool is_choice = false;
  };
  using Cell = std::vector<Entry>;

  Write Begin(uint64_t stamp, uint64_t offset, uint64_t length_bytes);
  // Is `entry` certainly overwritten by another that was acknowledged (durable) before `now`?
  static bool IsSuperseded(const Cell& cell, const Entry& entry, uint64_t now, bool by_durable);
  // What no read in flight and no crash can bring back any more.
  void DropOlderThanDurable(Cell& cell) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool IsOvertaken(uint64_t index, Bytes data, uint64_t begin) const
      ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  std::string CheckCell(uint64_t index, Bytes data, uint64_t begin, bool by_durable);

  Clock& clock_;
  mutable absl::Mutex mutex_;
  std::vector<Cell> cells_ ABSL_GUARDED_BY(mutex_);
  std::multiset<uint64_t> reads_ ABSL_GUARDED_BY(mutex_);  // in flight: when they began
  bool tracking_ ABSL_GUARDED_BY(mutex_) = false;
  T0 t0_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace baton::model
