// The program that uses the volumes of a drill, and knows what they must hold.
#pragma once

#include <absl/base/thread_annotations.h>
#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/synchronization/mutex.h>
#include <absl/time/time.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "engine/base/unique_fd.h"

namespace baton {

// One thread writes to the source, anywhere and of any length, and reads source and target; what it
// reads is compared with a model in memory of the source, and with T0. One request at a time, so
// the model is exact. Apart from that thread it is one thread's; `now` may be told by several.
class DrillLoad {
 public:
  struct Counts {
    uint64_t writes = 0;
    uint64_t reads = 0;
  };
  // Told how far it is; false: give up (Cancelled).
  using Progress = std::function<bool(uint64_t done_bytes, uint64_t total_bytes)>;

  // Of a volume of that size, whose T0 follows from `seed`. FailedPrecondition: it cannot be
  // opened.
  static absl::StatusOr<std::unique_ptr<DrillLoad>> Open(const std::string& source,
                                                         uint64_t size_bytes, uint64_t seed);
  ~DrillLoad();  // as Stop()
  DrillLoad(const DrillLoad&) = delete;
  DrillLoad& operator=(const DrillLoad&) = delete;

  // Writes what the source is to hold at T0, durably.
  absl::Status Fill(const Progress& progress);
  // From now on the source is written to, and both are read.
  absl::Status Start(const std::string& target);
  // Waits for the request that is under way. Closes what is open.
  void Stop();

  // What the thread met first: an error of a request, or a byte that is not as it must be. Else
  // every byte of both, while the thread stands still.
  absl::Status Compare(const Progress& progress) ABSL_LOCKS_EXCLUDED(mutex_);
  // The longest request since it was asked last. What is under way counts.
  absl::Duration TakeLongest() ABSL_LOCKS_EXCLUDED(time_mutex_);
  Counts counts() const { return {.writes = writes_, .reads = reads_}; }

 private:
  struct OpenFile {
    UniqueFd fd;
    std::string path;
  };
  enum class Kind { kRead, kWrite };

  DrillLoad(OpenFile source, uint64_t size_bytes, uint64_t seed);

  static absl::StatusOr<OpenFile> OpenVolume(const std::string& path, int flags);
  void Work();
  absl::Status Act() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status WriteSource(uint64_t offset, uint64_t length) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status CheckSource(uint64_t offset, uint64_t length) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status CheckTarget(uint64_t offset, uint64_t length) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status CheckBytes(const OpenFile& file, uint64_t offset,
                          std::span<const std::byte> expected)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // All of it, however often that takes.
  absl::Status Transfer(Kind kind, const OpenFile& file, uint64_t offset, std::span<std::byte> data)
      ABSL_LOCKS_EXCLUDED(time_mutex_);
  uint64_t Draw(uint64_t below) { return random_() % below; }

  OpenFile source_;
  OpenFile target_;
  const uint64_t size_bytes_;
  const uint64_t seed_;
  std::atomic<bool> stopping_ = false;
  std::atomic<uint64_t> writes_ = 0;
  std::atomic<uint64_t> reads_ = 0;

  absl::Mutex mutex_;  // held during a request
  absl::Status failure_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::byte> model_;  // of the source; under the mutex once the thread runs
  std::vector<std::byte> buffer_;
  std::vector<std::byte> expected_;
  std::mt19937_64 random_;
  uint64_t last_offset_ = 0;

  absl::Mutex time_mutex_;  // a last one
  absl::Duration longest_ ABSL_GUARDED_BY(time_mutex_);
  absl::Duration began_ ABSL_GUARDED_BY(time_mutex_) = absl::InfiniteDuration();

  std::thread thread_;
};

}  // namespace baton
