// One writer of a verified volume.
#pragma once

#include <absl/base/thread_annotations.h>
#include <absl/synchronization/mutex.h>

#include <atomic>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "tests/system/host/history.h"

namespace baton::host {

// What the writers of one host saw. Thread-safe.
class Report {
 public:
  void Count(bool is_write) { ++(is_write ? writes_ : reads_); }
  void Took(double ms);
  void Error(const std::string& what);
  void Damage(const std::string& what);

  bool IsClean() const;
  // A line of JSON; the longest operation is counted anew.
  std::string TakeLine();

 private:
  std::atomic<uint64_t> writes_ = 0;
  std::atomic<uint64_t> reads_ = 0;
  mutable absl::Mutex mutex_;
  double longest_ms_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t errors_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t damages_ ABSL_GUARDED_BY(mutex_) = 0;
  std::string first_error_ ABSL_GUARDED_BY(mutex_);
  std::string first_damage_ ABSL_GUARDED_BY(mutex_);
};

struct WriterOptions {
  std::string volume;
  uint64_t writer = 0;
  uint64_t pause_us = 0;       // between operations
  uint64_t read_percent = 30;  // of the operations
};

// Writes its own blocks and reads all of them, from one thread, until `end`. Every way of writing:
// direct, through the page cache, in parts that are aligned to nothing, discarding.
class Writer {
 public:
  Writer(WriterOptions options, History& history, Report& report);
  ~Writer();
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  void Run(const std::atomic<bool>& end, const std::atomic<bool>& pause);
  bool idle() const { return idle_; }

 private:
  uint64_t Random(uint64_t below) { return random_() % below; }
  Block Buffer(uint64_t n) { return Block(buffer_ + n * kWords, kWords); }
  uint64_t SomeRun();
  void Write();
  bool Store(uint64_t first, uint64_t count, uint64_t number);
  bool StoreInParts(uint64_t first, uint64_t count);
  void Read();
  template <typename Call>
  bool Timed(const char* what, ssize_t expected, const Call& call);

  const WriterOptions options_;
  History& history_;
  Report& report_;
  const Content content_;
  std::mt19937_64 random_;
  int direct_;
  int plain_;
  uint64_t* buffer_;
  uint64_t number_ = 0;  // of the last write that was begun
  std::atomic<bool> idle_ = false;
};

}  // namespace baton::host
