// The last requests of a mount that took long, and where their time went.
#pragma once

#include <absl/time/time.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "engine/base/time_spent.h"
#include "fs/host_io.h"

namespace baton::fs {

struct SlowRequest {
  HostIo io;
  absl::Duration came = absl::ZeroDuration();   // BootTime at which it was read from the kernel
  absl::Duration total = absl::ZeroDuration();  // from there to its answer, or until now
  PerSpent<absl::Duration> spent{};
  std::optional<Spent> doing = std::nullopt;  // what it does now; nullopt: it was answered
};

// Those of this process. Thread-safe: noting one takes no lock, and looking waits for nobody.
class SlowRequests {
 public:
  static constexpr size_t kKept = 256;

  // `limit`: what takes so long is slow.
  explicit SlowRequests(absl::Duration limit) : limit_(limit) {}
  SlowRequests(const SlowRequests&) = delete;
  SlowRequests& operator=(const SlowRequests&) = delete;

  absl::Duration limit() const { return limit_; }
  bool IsSlow(absl::Duration total) const { return total >= limit_; }

  void Note(const SlowRequest& request);
  // That are kept, the newest first. One that is just being noted may be missing.
  std::vector<SlowRequest> Newest() const;
  // That were ever noted.
  uint64_t noted() const { return next_; }

 private:
  // Kind, volume, offset, length, came, total; where the time went; the number.
  static constexpr size_t kWords = 6 + kSpentKinds + 1;
  using Words = std::array<uint64_t, kWords>;
  // Even while nobody writes to it. All operations are sequentially consistent: whoever reads the
  // same even version before and after has read what belongs together.
  struct Slot {
    std::atomic<uint64_t> version = 0;
    std::array<std::atomic<uint64_t>, kWords> words{};
  };

  static std::optional<Words> Read(const Slot& slot);

  const absl::Duration limit_;
  std::atomic<uint64_t> next_ = 0;
  std::array<Slot, kKept> slots_;
};

}  // namespace baton::fs
